"""Messages and token counts."""

from kit import CITY, HI, TEXT, Call, Ends, case, equal, prompt

ASK = {"model": "claude-test", "max_tokens": 1000, "messages": HI}
TOOLS = [{"name": "weather", "input_schema": CITY}]


@case
def messages_plain(call: Call) -> None:
    reply = call.same(lambda to: to.anthropic.messages.create(**ASK))
    equal((reply.content[0].text, reply.stop_reason), (TEXT, "end_turn"))
    assert reply.usage.output_tokens > 0


@case
def messages_stream(call: Call) -> None:
    events = call.same(lambda to: streamed(to))
    equal("".join(event.delta.text for event in events if event.type == "content_block_delta"), TEXT)
    equal(events[-1].type, "message_stop")


@case
def messages_by_the_sdks_stream_object(call: Call) -> None:
    def talk(to: Ends) -> object:
        with to.anthropic.messages.stream(**ASK) as stream:
            return stream.get_final_message()

    reply = call.same(talk)
    equal(reply.content[0].text, TEXT)
    assert reply.usage.output_tokens > 0


@case
def messages_stream_in_pieces_of_seven_bytes(call: Call) -> None:
    events = call.same(lambda to: streamed(to, extra_headers={"x-pace": "every-7"}))
    equal(events[-1].type, "message_stop")


@case
def messages_tools(call: Call) -> None:
    def talk(to: Ends) -> list:
        first = to.anthropic.messages.create(**ASK, tools=TOOLS)
        [tool] = [block for block in first.content if block.type == "tool_use"]
        result = {"type": "tool_result", "tool_use_id": tool.id, "content": "rain, 9 °C"}
        turns = [*HI, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        return [first, to.anthropic.messages.create(**{**ASK, "messages": turns}, tools=TOOLS)]

    first, last = call.same(talk)
    equal((first.content[0].name, first.content[0].input, first.stop_reason), ("weather", {"city": "test"}, "tool_use"))
    equal(last.content[0].text, TEXT)


@case
def messages_tools_streamed(call: Call) -> None:
    def talk(to: Ends) -> object:
        with to.anthropic.messages.stream(**ASK, tools=TOOLS) as stream:
            return stream.get_final_message()

    equal(call.same(talk).content[0].input, {"city": "test"})


@case
def messages_thinking(call: Call) -> None:
    think = {**ASK, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    reply = call.same(lambda to: to.anthropic.messages.create(**think))
    equal([block.type for block in reply.content], ["thinking", "text"])

    def talk(to: Ends) -> object:
        with to.anthropic.messages.stream(**think) as stream:
            return stream.get_final_message()

    equal([block.type for block in call.same(talk).content], ["thinking", "text"])


@case
def messages_thinking_as_recorded(call: Call) -> None:
    for shape in ("messages-thinking", "messages-stream-thinking"):
        def talk(to: Ends, shape: str = shape) -> object:
            headers = {"x-shape": shape}
            return streamed(to, extra_headers=headers) if "stream" in shape else to.anthropic.messages.create(
                **ASK, extra_headers=headers
            )

        call.same(talk)


@case
def messages_counted(call: Call) -> None:
    reply = call.same(lambda to: to.anthropic.messages.count_tokens(model="claude-test", messages=HI))
    assert reply.input_tokens > 0


@case
def messages_with_a_prompt_of_a_megabyte(call: Call) -> None:
    ask = {**ASK, "messages": [{"role": "user", "content": prompt(1 << 20)}]}
    equal(call.same(lambda to: to.anthropic.messages.create(**ask)).content[0].text, TEXT)


def streamed(to: Ends, **more) -> list:
    return list(to.anthropic.messages.create(**ASK, stream=True, **more))
