"""Chat completions."""

import json

from kit import CITY, HI, TEXT, Call, Ends, case, equal, prompt, text_of

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]


@case
def chat_plain(call: Call) -> None:
    reply = call.same(lambda to: to.openai.chat.completions.create(model="gpt-test", messages=HI))
    equal(reply.choices[0].message.content, TEXT)
    assert reply.usage.completion_tokens > 0


@case
def chat_cut_by_the_callers_limit(call: Call) -> None:
    ask = {"model": "gpt-test", "messages": HI, "max_completion_tokens": 2}
    reply = call.same(lambda to: to.openai.chat.completions.create(**ask))
    equal((reply.choices[0].message.content, reply.choices[0].finish_reason), ("Hello from ", "length"))


@case
def chat_stream_shows_no_usage_unless_asked(call: Call) -> None:
    # The gateway asks the upstream for usage, so the upstream derives another id.
    chunks = call.same(lambda to: streamed(to), but=("id",))
    equal(text_of(chunks), TEXT)
    for chunk in chunks:
        assert chunk.usage is None and len(chunk.choices) == 1, chunk


@case
def chat_stream_shows_no_usage_when_it_is_declined(call: Call) -> None:
    chunks = call.same(lambda to: streamed(to, stream_options={"include_usage": False}), but=("id",))
    for chunk in chunks:
        assert chunk.usage is None and len(chunk.choices) == 1, chunk


@case
def chat_stream_shows_usage_when_asked(call: Call) -> None:
    chunks = call.same(lambda to: streamed(to, stream_options={"include_usage": True}))
    equal(text_of(chunks), TEXT)
    equal([bool(chunk.choices) for chunk in chunks], [True] * (len(chunks) - 1) + [False])
    assert chunks[-1].usage.completion_tokens > 0


@case
def chat_stream_in_pieces_of_seven_bytes(call: Call) -> None:
    pace = {"x-pace": "every-7"}
    chunks = call.same(lambda to: streamed(to, stream_options={"include_usage": True}, extra_headers=pace))
    equal(text_of(chunks), TEXT)


@case
def chat_two_choices(call: Call) -> None:
    reply = call.same(lambda to: to.openai.chat.completions.create(model="gpt-test", messages=HI, n=2))
    equal(len(reply.choices), 2)


@case
def chat_tools(call: Call) -> None:
    ask = {"model": "gpt-test", "messages": HI, "tools": TOOLS}
    reply = call.same(lambda to: to.openai.chat.completions.create(**ask))
    [tool] = reply.choices[0].message.tool_calls
    equal((tool.function.name, json.loads(tool.function.arguments)), ("weather", {"city": "test"}))


@case
def chat_tools_streamed(call: Call) -> None:
    chunks = call.same(lambda to: streamed(to, tools=TOOLS), but=("id",))
    tools = [tool for chunk in chunks for tool in chunk.choices[0].delta.tool_calls or []]
    equal(tools[0].function.name, "weather")
    equal(json.loads("".join(tool.function.arguments for tool in tools)), {"city": "test"})
    equal(chunks[-1].choices[0].finish_reason, "tool_calls")


@case
def chat_tool_result_turn(call: Call) -> None:
    def talk(to: Ends) -> list:
        create = to.openai.chat.completions.create
        first = create(model="gpt-test", messages=HI, tools=TOOLS)
        said = first.choices[0].message
        result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "rain, 9 °C"}
        second = create(model="gpt-test", messages=[*HI, said, result], tools=TOOLS)
        return [first, second]

    _, last = call.same(talk)
    equal(last.choices[0].message.content, TEXT)


@case
def chat_by_the_sdks_stream_object(call: Call) -> None:
    def talk(to: Ends) -> str:
        with to.openai.chat.completions.stream(model="gpt-test", messages=HI) as stream:
            return stream.get_final_completion().choices[0].message.content

    equal(call.same(talk), TEXT)


@case
def chat_with_a_prompt_of_a_megabyte(call: Call) -> None:
    messages = [{"role": "user", "content": prompt(1 << 20)}]
    reply = call.same(lambda to: to.openai.chat.completions.create(model="gpt-test", messages=messages))
    assert reply.usage.prompt_tokens > (1 << 20) // 4
    chunks = call.same(lambda to: streamed(to, messages=messages), but=("id",))
    equal(text_of(chunks), TEXT)


@case
def chat_by_a_model_that_is_rewritten(call: Call) -> None:
    reply = call.via.openai.chat.completions.create(model="fast", messages=HI)
    equal((reply.model, reply.choices[0].message.content), ("gpt-test", TEXT))


def streamed(to: Ends, messages: list = HI, **more) -> list:
    return list(to.openai.chat.completions.create(model="gpt-test", messages=messages, stream=True, **more))
