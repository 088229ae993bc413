"""Streams that go wrong, and callers who leave them."""

from itertools import islice
from typing import Any

import anthropic
import openai
from kit import HI, TEXT, Call, Ends, case, dump, equal, text_of, without


def chat(to: Ends, **headers: str) -> Any:
    return to.openai.chat.completions.create(model="gpt-test", messages=HI, stream=True, extra_headers=named(headers))


def responses(to: Ends, **headers: str) -> Any:
    return to.openai.responses.create(model="gpt-test", input="hi", stream=True, extra_headers=named(headers))


def messages(to: Ends, **headers: str) -> Any:
    ask = {"model": "claude-test", "max_tokens": 10000, "messages": HI}
    return to.anthropic.messages.create(**ask, stream=True, extra_headers=named(headers))


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def read(stream: Any) -> tuple[list, Exception | None]:
    """What a stream gives, and the error it ends with."""
    got = []
    try:
        for event in stream:
            got.append(event)
    except (openai.APIError, anthropic.APIError) as error:
        return got, error
    return got, None


@case
def error_events_raise(call: Call) -> None:
    for ask, kind in ((chat, openai.APIError), (messages, anthropic.APIStatusError)):
        both = [read(ask(to, x_fault="error-event-after-3")) for to in (call.via, call.direct)]
        (got, error), (wanted, direct) = both
        assert isinstance(error, kind), repr(error)
        equal((type(error), str(error), error.body), (type(direct), str(direct), direct.body))
        equal(without(dump(got), ("id",)), without(dump(wanted), ("id",)))


@case
def error_events_of_responses_are_passed_on(call: Call) -> None:
    both = [read(responses(to, x_fault="error-event-after-3")) for to in (call.via, call.direct)]
    (got, error), (wanted, _) = both
    equal((error, got[-1].type, len(got)), (None, "error", 4))
    equal([event.to_dict() for event in got], [event.to_dict() for event in wanted])


@case
def cut_streams_raise(call: Call) -> None:
    for fault in ("cut-after-4", "reset-after-4", "garbage-after-4", "cut-after-bytes-700"):
        got, error = read(chat(call.via, x_fault=fault))
        assert isinstance(error, openai.APIError) and error.code == "upstream_broken", (fault, got, error)
        assert text_of(got) != TEXT and all(chunk.choices[0].finish_reason is None for chunk in got)
        got, error = read(messages(call.via, x_fault=fault))
        assert isinstance(error, anthropic.APIStatusError), (fault, got, error)
        equal(error.body["error"]["details"]["code"], "upstream_broken")
        assert "message_stop" not in [event.type for event in got]


@case
def streams_cut_at_any_byte_are_never_taken_for_whole(call: Call) -> None:
    for at in range(1, 4000, 61):
        fault = f"cut-after-bytes-{at}"
        chunks, error = read(chat(call.via, x_fault=fault))
        assert error is not None or chunks[-1].choices[0].finish_reason == "stop", (at, chunks)
        events, error = read(messages(call.via, x_fault=fault))
        assert error is not None or events[-1].type in ("message_delta", "message_stop"), (at, events)
        events, _ = read(responses(call.via, x_fault=fault))
        assert events[-1].type in ("error", "response.completed"), (at, events)


@case
def cut_responses_end_with_an_error_event(call: Call) -> None:
    for fault, code in (("cut-after-4", "upstream_broken"), ("no-sentinel", "upstream_cut")):
        got, error = read(responses(call.via, x_fault=fault))
        equal((error, got[-1].type, got[-1].code), (None, "error", code))
        assert "response.completed" not in [event.type for event in got]


@case
def streams_whose_end_is_missing_but_known_are_whole(call: Call) -> None:
    chunks, error = read(chat(call.via, x_fault="no-sentinel"))
    equal((text_of(chunks), error), (TEXT, None))
    events, error = read(messages(call.via, x_fault="no-sentinel"))
    equal((events[-1].type, error), ("message_delta", None))


@case
def chat_left_midway(call: Call) -> None:
    # 5,000 words would take 100 s.
    stream = chat(call.via, x_words="5000", x_pace="delay-20")
    equal(len(list(islice(stream, 3))), 3)
    stream.close()
    call.left()


@case
def responses_left_midway(call: Call) -> None:
    stream = responses(call.via, x_fault="stall-after-5")
    equal(len(list(islice(stream, 5))), 5)
    stream.close()
    call.left()


@case
def messages_left_midway(call: Call) -> None:
    stream = messages(call.via, x_fault="stall-after-5")
    equal(len(list(islice(stream, 4))), 4)
    stream.close()
    call.left()


@case
def chat_left_before_the_reply(call: Call) -> None:
    try:
        impatient = call.via.openai.with_options(timeout=0.5)
        chat(Ends(impatient, None, None, None), x_fault="silent")
    except openai.APITimeoutError:
        call.left()
    else:
        raise AssertionError("a silent upstream has answered")
