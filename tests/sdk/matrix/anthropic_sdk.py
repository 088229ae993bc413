"""Anthropic's SDK."""

import base64

import anthropic

from kit import ABOUT, CITY, PNG, SECONDS, TOOL, Client, Failed, Got

HI = [{"role": "user", "content": "hi"}]


class Messages(Client):
    name = "anthropic-messages"
    stops = ("end_turn", "tool_use")

    def __init__(self, gateway: str) -> None:
        self.sdk = anthropic.Anthropic(base_url=gateway, api_key="sk-caller", max_retries=0, timeout=SECONDS)

    tools = [{"name": TOOL, "description": ABOUT, "input_schema": CITY}]

    def ask(self, model: str, messages: list, **more):
        return self.sdk.messages.create(model=model, max_tokens=1000, system="Be kind.", messages=messages, **more)

    def got(self, reply) -> Got:
        anthropic.types.Message.model_validate(reply.model_dump(by_alias=True), strict=True)
        text = "".join(block.text for block in reply.content if block.type == "text")
        made = [(block.name, block.input) for block in reply.content if block.type == "tool_use"]
        return Got(text, made, reply.stop_reason, (reply.usage.input_tokens, reply.usage.output_tokens))

    def streamed(self, model: str, **more) -> Got:
        with self.sdk.messages.stream(model=model, max_tokens=1000, messages=HI, **more) as stream:
            for _ in stream:
                pass
            return self.got(stream.get_final_message())

    def plain(self, model):
        return self.got(self.ask(model, HI, stop_sequences=["never"]))

    def stream(self, model):
        return self.streamed(model)

    def tool(self, model, stream):
        return self.streamed(model, tools=self.tools) if stream else self.got(self.ask(model, HI, tools=self.tools))

    def result(self, model):
        called = self.ask(model, HI, tools=self.tools)
        (call,) = [block for block in called.content if block.type == "tool_use"]
        said = [block.model_dump(exclude_none=True) for block in called.content]
        answer = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turns = [*HI, {"role": "assistant", "content": said}, {"role": "user", "content": [answer]}]
        return self.got(self.ask(model, turns, tools=self.tools))

    def image(self, model):
        data = base64.b64encode(PNG).decode()
        picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        return self.got(self.ask(model, [{"role": "user", "content": [picture, {"type": "text", "text": "what is it?"}]}]))

    def structured(self, model):
        return self.got(self.ask(model, HI, output_config={"format": {"type": "json_schema", "schema": CITY}}))

    def error(self, model):
        try:
            self.ask(model, HI)
        except anthropic.APIStatusError as e:
            raise Failed(e.status_code, e.body["error"]["message"]) from e
