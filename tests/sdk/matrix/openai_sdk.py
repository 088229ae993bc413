"""OpenAI's SDK: chat completions and responses."""

import base64
import json

import openai

from kit import ABOUT, CITY, PNG, SECONDS, TOOL, Client, Failed, Got

HI = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]
URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


class Chat(Client):
    name = "openai-chat"
    stops = ("stop", "tool_calls")

    def __init__(self, gateway: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{gateway}/v1", api_key="sk-caller", max_retries=0, timeout=SECONDS)

    tools = [{"type": "function", "function": {"name": TOOL, "description": ABOUT, "parameters": CITY}}]

    def ask(self, model: str, messages: list, **more):
        return self.sdk.chat.completions.create(model=model, messages=messages, **more)

    def got(self, reply) -> Got:
        openai.types.chat.ChatCompletion.model_validate(reply.model_dump(by_alias=True), strict=True)
        (choice,) = reply.choices
        made = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
        usage = reply.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        return Got(choice.message.content or "", made, choice.finish_reason, (usage.prompt_tokens, usage.completion_tokens))

    def streamed(self, model: str, messages: list, **more) -> Got:
        with self.sdk.chat.completions.stream(
            model=model, messages=messages, stream_options={"include_usage": True}, **more
        ) as stream:
            for _ in stream:
                pass
            return self.got(stream.get_final_completion())

    def plain(self, model):
        return self.got(self.ask(model, HI, max_tokens=1000, temperature=0.5, stop=["never"]))

    def stream(self, model):
        return self.streamed(model, HI)

    def tool(self, model, stream):
        return self.streamed(model, HI, tools=self.tools) if stream else self.got(self.ask(model, HI, tools=self.tools))

    def result(self, model):
        called = self.ask(model, HI, tools=self.tools).choices[0].message
        answer = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "sunny"}
        return self.got(self.ask(model, [*HI, called.model_dump(exclude_none=True), answer], tools=self.tools))

    def image(self, model):
        parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": URL}}]
        return self.got(self.ask(model, [{"role": "user", "content": parts}]))

    def structured(self, model):
        form = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}
        return self.got(self.ask(model, HI, response_format=form))

    def error(self, model):
        try:
            self.ask(model, HI)
        except openai.APIStatusError as e:
            raise Failed(e.status_code, e.body["message"]) from e


class Responses(Client):
    name = "openai-responses"
    stops = ("completed", "completed")

    def __init__(self, gateway: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{gateway}/v1", api_key="sk-caller", max_retries=0, timeout=SECONDS)

    tools = [{"type": "function", "name": TOOL, "description": ABOUT, "parameters": CITY, "strict": True}]

    def ask(self, model: str, what, **more):
        return self.sdk.responses.create(model=model, instructions="Be kind.", input=what, store=False, **more)

    def got(self, reply) -> Got:
        openai.types.responses.Response.model_validate(reply.model_dump(by_alias=True), strict=True)
        made = [(item.name, json.loads(item.arguments)) for item in reply.output if item.type == "function_call"]
        usage = reply.usage
        return Got(reply.output_text, made, reply.status, (usage.input_tokens, usage.output_tokens))

    def streamed(self, model: str, what, **more) -> Got:
        with self.sdk.responses.stream(model=model, input=what, **more) as stream:
            for _ in stream:
                pass
            return self.got(stream.get_final_response())

    def plain(self, model):
        return self.got(self.ask(model, "hi", max_output_tokens=1000))

    def stream(self, model):
        return self.streamed(model, "hi")

    def tool(self, model, stream):
        return self.streamed(model, "hi", tools=self.tools) if stream else self.got(self.ask(model, "hi", tools=self.tools))

    def result(self, model):
        said = [{"role": "user", "content": "hi"}]
        called = self.ask(model, said, tools=self.tools)
        said += [item.model_dump(exclude_none=True) for item in called.output]
        (call,) = [item for item in called.output if item.type == "function_call"]
        said.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
        return self.got(self.ask(model, said, tools=self.tools))

    def image(self, model):
        parts = [{"type": "input_text", "text": "what is it?"}, {"type": "input_image", "image_url": URL, "detail": "auto"}]
        return self.got(self.ask(model, [{"role": "user", "content": parts}]))

    def structured(self, model):
        form = {"format": {"type": "json_schema", "name": "city", "strict": True, "schema": CITY}}
        return self.got(self.ask(model, "hi", text=form))

    def error(self, model):
        try:
            self.ask(model, "hi")
        except openai.APIStatusError as e:
            raise Failed(e.status_code, e.body["message"]) from e
