"""The built-in model `echo`, in every dialect."""

import json
from typing import Any

import openai
from kit import CITY, Call, case, equal, prompt, text_of

# Eight words.
SAID = "Say this back,  word by\nword: Grüße 👋"
SAY = [{"role": "user", "content": SAID}]
COMMAND = 'call weather {"city": "Köln"}'
ASK_CALL = [{"role": "user", "content": COMMAND}]
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
RESPONSES_TOOLS = [{"type": "function", "name": "weather", "parameters": CITY, "strict": False}]
TOOLS = [{"name": "weather", "input_schema": CITY}]
MESSAGE = {"model": "echo", "max_tokens": 1000}


def chat(call: Call, messages: list, **more: Any) -> Any:
    return call.via.openai.chat.completions.create(model="echo", messages=messages, **more)


@case
def echo_chat(call: Call) -> None:
    reply = chat(call, SAY)
    equal((reply.choices[0].message.content, reply.choices[0].finish_reason), (SAID, "stop"))
    equal((reply.usage.prompt_tokens, reply.usage.completion_tokens), (8, 8))


@case
def echo_chat_stream(call: Call) -> None:
    chunks = list(chat(call, SAY, stream=True))
    equal(text_of(chunks), SAID)
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)
    chunks = list(chat(call, SAY, stream=True, stream_options={"include_usage": True}))
    equal((text_of(chunks), chunks[-1].usage.completion_tokens, chunks[-1].choices), (SAID, 8, []))


@case
def echo_chat_tools(call: Call) -> None:
    reply = chat(call, ASK_CALL, tools=CHAT_TOOLS)
    [tool] = reply.choices[0].message.tool_calls
    equal((tool.function.name, json.loads(tool.function.arguments)), ("weather", {"city": "Köln"}))
    equal(reply.choices[0].finish_reason, "tool_calls")
    result = {"role": "tool", "tool_call_id": tool.id, "content": "rain, 9 °C"}
    reply = chat(call, [*ASK_CALL, reply.choices[0].message, result], tools=CHAT_TOOLS)
    equal(reply.choices[0].message.content, "rain, 9 °C")


@case
def echo_chat_tools_streamed(call: Call) -> None:
    create = call.via.openai.chat.completions.stream
    with create(model="echo", messages=ASK_CALL, tools=CHAT_TOOLS) as stream:
        [tool] = stream.get_final_completion().choices[0].message.tool_calls
    equal((tool.function.name, json.loads(tool.function.arguments)), ("weather", {"city": "Köln"}))


@case
def echo_responses(call: Call) -> None:
    create = call.via.openai.responses.create
    reply = create(model="echo", input=SAID, instructions="Be brief.")
    equal((reply.output_text, reply.status), (SAID, "completed"))
    equal(reply.usage.output_tokens, 8)
    events = list(create(model="echo", input=SAY, stream=True))
    equal("".join(event.delta for event in events if event.type == "response.output_text.delta"), SAID)
    equal([event.sequence_number for event in events], list(range(len(events))))
    equal(events[-1].response.output_text, SAID)


@case
def echo_responses_tools(call: Call) -> None:
    create = call.via.openai.responses.create
    reply = create(model="echo", input=COMMAND, tools=RESPONSES_TOOLS)
    [tool] = reply.output
    equal((tool.type, tool.name, json.loads(tool.arguments)), ("function_call", "weather", {"city": "Köln"}))
    result = {"type": "function_call_output", "call_id": tool.call_id, "output": "rain, 9 °C"}
    reply = create(model="echo", input=[*ASK_CALL, *reply.output, result], tools=RESPONSES_TOOLS)
    equal(reply.output_text, "rain, 9 °C")
    with call.via.openai.responses.stream(model="echo", input=COMMAND, tools=RESPONSES_TOOLS) as stream:
        [tool] = stream.get_final_response().output
    equal((tool.name, json.loads(tool.arguments)), ("weather", {"city": "Köln"}))


@case
def echo_messages(call: Call) -> None:
    reply = call.via.anthropic.messages.create(**MESSAGE, messages=SAY)
    equal((reply.content[0].text, reply.stop_reason, reply.usage.output_tokens), (SAID, "end_turn", 8))
    with call.via.anthropic.messages.stream(**MESSAGE, messages=SAY) as stream:
        equal("".join(stream.text_stream), SAID)
        equal(stream.get_final_message().usage.output_tokens, 8)
    counted = call.via.anthropic.messages.count_tokens(model="echo", messages=SAY)
    equal(counted.input_tokens, 8)


@case
def echo_messages_tools(call: Call) -> None:
    create = call.via.anthropic.messages.create
    reply = create(**MESSAGE, messages=ASK_CALL, tools=TOOLS)
    [tool] = reply.content
    equal((tool.type, tool.name, tool.input, reply.stop_reason), ("tool_use", "weather", {"city": "Köln"}, "tool_use"))
    result = {"type": "tool_result", "tool_use_id": tool.id, "content": "rain, 9 °C"}
    turns = [*ASK_CALL, {"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    equal(create(**MESSAGE, messages=turns, tools=TOOLS).content[0].text, "rain, 9 °C")
    with call.via.anthropic.messages.stream(**MESSAGE, messages=ASK_CALL, tools=TOOLS) as stream:
        equal(stream.get_final_message().content[0].input, {"city": "Köln"})


@case
def echo_embeddings(call: Call) -> None:
    create = call.via.openai.embeddings.create
    floats = create(model="echo", input=["one", "two", "one"], encoding_format="float").data
    equal(floats[0].embedding, floats[2].embedding)
    assert floats[0].embedding != floats[1].embedding
    usual = create(model="echo", input=["one", "two", "one"]).data
    for one, other in zip(usual, floats, strict=True):
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding, strict=True))
    equal(len(create(model="echo", input="one", dimensions=8).data[0].embedding), 8)


@case
def echo_says_back_a_megabyte(call: Call) -> None:
    text = prompt(1 << 20)
    equal(chat(call, [{"role": "user", "content": text}]).choices[0].message.content, text)
    chunks = list(chat(call, [{"role": "user", "content": text[: 1 << 13]}], stream=True))
    equal(text_of(chunks), text[: 1 << 13])


@case
def echo_refuses_what_is_wrong(call: Call) -> None:
    ask = lambda to: to.openai.chat.completions.create(model="echo", messages="hi")
    error = call.refused(ask, openai.BadRequestError, "invalid_field")
    equal((error.param, error.type), ("messages", "invalid_request_error"))
