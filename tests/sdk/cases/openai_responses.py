"""Responses."""

import json

from kit import CITY, TEXT, Call, Ends, case, equal, prompt

TOOLS = [{"type": "function", "name": "weather", "parameters": CITY, "strict": False}]


@case
def responses_plain(call: Call) -> None:
    reply = call.same(lambda to: to.openai.responses.create(model="gpt-test", input="hi"))
    equal((reply.output_text, reply.status), (TEXT, "completed"))
    assert reply.usage.output_tokens > 0


@case
def responses_stream(call: Call) -> None:
    events = call.same(lambda to: streamed(to))
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    equal("".join(words), TEXT)
    equal(events[-1].type, "response.completed")
    assert events[-1].response.usage.output_tokens > 0


@case
def responses_tools(call: Call) -> None:
    reply = call.same(lambda to: to.openai.responses.create(model="gpt-test", input="hi", tools=TOOLS))
    [tool] = [item for item in reply.output if item.type == "function_call"]
    equal((tool.name, json.loads(tool.arguments)), ("weather", {"city": "test"}))


@case
def responses_tools_streamed(call: Call) -> None:
    events = call.same(lambda to: streamed(to, tools=TOOLS))
    parts = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    equal(json.loads("".join(parts)), {"city": "test"})


@case
def responses_by_the_sdks_stream_object(call: Call) -> None:
    def talk(to: Ends) -> str:
        with to.openai.responses.stream(model="gpt-test", input="hi") as stream:
            return stream.get_final_response().output_text

    equal(call.same(talk), TEXT)


@case
def responses_with_a_prompt_of_a_megabyte(call: Call) -> None:
    reply = call.same(lambda to: to.openai.responses.create(model="gpt-test", input=prompt(1 << 20)))
    equal(reply.output_text, TEXT)


def streamed(to: Ends, **more) -> list:
    return list(to.openai.responses.create(model="gpt-test", input="hi", stream=True, **more))
