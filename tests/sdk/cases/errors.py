"""Errors: the upstreams' as they came, and the gateway's own in the caller's dialect."""

import json
import urllib.error
import urllib.request
from typing import Any

import anthropic
import openai
from kit import HI, Call, Ends, case, equal

OPENAI_ERRORS = {
    "chat-error-400": openai.BadRequestError,
    "chat-error-400-filter": openai.BadRequestError,
    "chat-error-401": openai.AuthenticationError,
    "chat-error-404": openai.NotFoundError,
    "chat-error-429": openai.RateLimitError,
    "chat-error-500": openai.InternalServerError,
    "chat-error-503-html": openai.InternalServerError,
}
ANTHROPIC_ERRORS = {
    "messages-error-400": anthropic.BadRequestError,
    "messages-error-401": anthropic.AuthenticationError,
    "messages-error-404": anthropic.NotFoundError,
    "messages-error-429": anthropic.RateLimitError,
    "messages-error-500": anthropic.InternalServerError,
}


def chat(to: Ends, model: str = "gpt-test", **more: Any) -> Any:
    return to.openai.chat.completions.create(model=model, messages=HI, **more)


def messages(to: Ends, model: str = "claude-test", **more: Any) -> Any:
    return to.anthropic.messages.create(model=model, max_tokens=1000, messages=HI, **more)


@case
def errors_of_openai_as_recorded(call: Call) -> None:
    for shape, wanted in OPENAI_ERRORS.items():
        headers = {"x-shape": shape}
        call.fails(lambda to: chat(to, extra_headers=headers), wanted)
        call.fails(lambda to: chat(to, extra_headers=headers, stream=True), wanted)


@case
def errors_of_anthropic_as_recorded(call: Call) -> None:
    for shape, wanted in ANTHROPIC_ERRORS.items():
        headers = {"x-shape": shape}
        call.fails(lambda to: messages(to, extra_headers=headers), wanted)
        call.fails(lambda to: messages(to, extra_headers=headers, stream=True), wanted)


@case
def errors_with_a_time_to_wait(call: Call) -> None:
    headers = {"x-fault": "status-429-retry-7"}
    error = call.fails(lambda to: chat(to, extra_headers=headers), openai.RateLimitError)
    equal(error.response.headers["retry-after"], "7")
    error = call.fails(lambda to: messages(to, extra_headers=headers), anthropic.RateLimitError)
    equal(error.response.headers["retry-after"], "7")
    error = call.fails(lambda to: embed(to, extra_headers=headers), openai.RateLimitError)
    equal(error.response.headers["retry-after"], "7")


@case
def errors_the_sdks_retry(call: Call) -> None:
    def insist(to: Ends) -> list:
        headers = {"x-fault": "status-500,ok", "x-fault-id": f"{call.name}-chat"}
        first = chat(Ends(to.openai.with_options(max_retries=2), None, None, None), extra_headers=headers)
        headers = {"x-fault": "status-529,ok", "x-fault-id": f"{call.name}-messages"}
        patient = to.anthropic.with_options(max_retries=2)
        return [first, messages(Ends(None, patient, None, None), extra_headers=headers)]

    call.same(insist)


@case
def errors_of_broken_connections(call: Call) -> None:
    for fault in ("reset", "garbage"):
        headers = {"x-fault": fault}
        call.refused(lambda to: chat(to, extra_headers=headers), openai.InternalServerError, "upstream_broken")
    headers = {"x-fault": "cut-after-1"}
    call.refused(lambda to: chat(to, extra_headers=headers), openai.InternalServerError, "upstream_broken")
    call.refused(lambda to: messages(to, extra_headers=headers), anthropic.InternalServerError, "upstream_broken")


@case
def unknown_models_are_refused_in_both_dialects(call: Call) -> None:
    error = call.refused(lambda to: chat(to, "none-such"), openai.NotFoundError, "model_not_found")
    equal((error.code, error.param, error.type), ("model_not_found", "model", "invalid_request_error"))
    error = call.refused(lambda to: messages(to, "none-such"), anthropic.NotFoundError, "model_not_found")
    equal(error.body["error"]["type"], "not_found_error")
    equal(error.body["error"]["details"]["code"], "model_not_found")


@case
def bodies_that_are_no_json_are_refused_in_both_dialects(call: Call) -> None:
    status, headers, body = post(call, "/v1/chat/completions", b'{"model": "gpt-test", oops')
    equal((status, headers["portcullis-error"], body["error"]["code"]), (400, "body_not_json", "body_not_json"))
    status, headers, body = post(call, "/v1/messages", b'{"model": "claude-test", oops')
    equal((status, headers["portcullis-error"], body["error"]["type"]), (400, "body_not_json", "invalid_request_error"))
    equal(body["error"]["details"]["code"], "body_not_json")


def embed(to: Ends, **more: Any) -> Any:
    return to.openai.embeddings.create(model="embed-test", input="one", **more)


def post(call: Call, path: str, body: bytes) -> tuple[int, Any, Any]:
    """Posts bytes that no SDK would send."""
    headers = {"content-type": "application/json", "x-case": call.name}
    request = urllib.request.Request(call.url + path, body, headers)
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.headers, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.load(error)
