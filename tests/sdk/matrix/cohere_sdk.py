"""Cohere's SDK: chat of its second version."""

import base64
import json

import cohere
from cohere.core.api_error import ApiError

from kit import ABOUT, CITY, PNG, SECONDS, TOOL, Client, Failed, Got

HI = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]


class Chat(Client):
    name = "cohere-chat"
    stops = ("COMPLETE", "TOOL_CALL")

    def __init__(self, gateway: str) -> None:
        self.sdk = cohere.ClientV2(api_key="sk-caller", base_url=gateway, timeout=SECONDS)

    tools = [{"type": "function", "function": {"name": TOOL, "description": ABOUT, "parameters": CITY}}]

    def ask(self, model: str, messages: list, **more) -> Got:
        return self.got(self.sdk.chat(model=model, messages=messages, request_options={"max_retries": 0}, **more))

    def got(self, reply) -> Got:
        text = "".join(part.text for part in reply.message.content or [] if part.type == "text")
        made = [(call.function.name, json.loads(call.function.arguments)) for call in reply.message.tool_calls or []]
        used = reply.usage.tokens
        return Got(text, made, reply.finish_reason, (int(used.input_tokens), int(used.output_tokens)))

    def streamed(self, model: str, **more) -> Got:
        got, name, arguments = Got(), None, ""
        for event in self.sdk.chat_stream(model=model, messages=HI, request_options={"max_retries": 0}, **more):
            if event.type == "content-delta":
                got.text += event.delta.message.content.text
            elif event.type == "tool-call-start":
                call = event.delta.message.tool_calls
                name, arguments = call.function.name, call.function.arguments or ""
            elif event.type == "tool-call-delta":
                arguments += event.delta.message.tool_calls.function.arguments
            elif event.type == "tool-call-end":
                got.calls.append((name, json.loads(arguments)))
            elif event.type == "message-end":
                got.stop = event.delta.finish_reason
                used = event.delta.usage.tokens
                got.tokens = (int(used.input_tokens), int(used.output_tokens))
        return got

    def plain(self, model):
        return self.ask(model, HI, max_tokens=1000, temperature=0.5, stop_sequences=["never"])

    def stream(self, model):
        return self.streamed(model)

    def tool(self, model, stream):
        return self.streamed(model, tools=self.tools) if stream else self.ask(model, HI, tools=self.tools)

    def result(self, model):
        called = self.sdk.chat(model=model, messages=HI, tools=self.tools).message
        said = {"role": "assistant", "tool_calls": [call.model_dump(exclude_none=True) for call in called.tool_calls]}
        answer = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "sunny"}
        return self.ask(model, [*HI, said, answer], tools=self.tools)

    def image(self, model):
        url = "data:image/png;base64," + base64.b64encode(PNG).decode()
        parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        return self.ask(model, [{"role": "user", "content": parts}])

    def structured(self, model):
        return self.ask(model, HI, response_format={"type": "json_object", "json_schema": CITY})

    def error(self, model):
        try:
            self.ask(model, HI)
        except ApiError as e:
            body = e.body if isinstance(e.body, dict) else {"message": str(e.body)}
            raise Failed(e.status_code, body["message"]) from e
