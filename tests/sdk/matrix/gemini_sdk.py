"""Google's SDK, `google-genai`."""

from google import genai
from google.genai import errors, types

from kit import ABOUT, CITY, PNG, SECONDS, TOOL, Client, Failed, Got


class Gemini(Client):
    name = "gemini"
    stops = ("STOP", "STOP")

    def __init__(self, gateway: str) -> None:
        options = types.HttpOptions(base_url=gateway, timeout=int(SECONDS * 1000))
        self.sdk = genai.Client(api_key="sk-caller", http_options=options)

    tools = [{"function_declarations": [{"name": TOOL, "description": ABOUT, "parameters_json_schema": CITY}]}]

    def config(self, **more) -> types.GenerateContentConfig:
        quiet = types.AutomaticFunctionCallingConfig(disable=True)
        return types.GenerateContentConfig(system_instruction="Be kind.", automatic_function_calling=quiet, **more)

    def ask(self, model: str, contents="hi", **more):
        return self.sdk.models.generate_content(model=model, contents=contents, config=self.config(**more))

    def got(self, replies) -> Got:
        got = Got()
        for reply in replies:
            if reply.usage_metadata:
                used = reply.usage_metadata
                got.tokens = (used.prompt_token_count or 0, used.candidates_token_count or 0)
            for candidate in reply.candidates or []:
                if candidate.finish_reason:
                    got.stop = candidate.finish_reason.value
                for part in (candidate.content and candidate.content.parts) or []:
                    got.text += part.text or ""
                    if part.function_call:
                        got.calls.append((part.function_call.name, part.function_call.args))
        return got

    def streamed(self, model: str, **more) -> Got:
        return self.got(self.sdk.models.generate_content_stream(model=model, contents="hi", config=self.config(**more)))

    def plain(self, model):
        return self.got([self.ask(model, max_output_tokens=1000, temperature=0.5, stop_sequences=["never"])])

    def stream(self, model):
        return self.streamed(model)

    def tool(self, model, stream):
        return self.streamed(model, tools=self.tools) if stream else self.got([self.ask(model, tools=self.tools)])

    def result(self, model):
        called = self.ask(model, tools=self.tools)
        content = called.candidates[0].content
        (call,) = called.function_calls
        answer = types.Part.from_function_response(name=call.name, response={"result": "sunny"})
        answer.function_response.id = call.id
        hi = types.Content(role="user", parts=[types.Part(text="hi")])
        turns = [hi, content, types.Content(role="user", parts=[answer])]
        return self.got([self.ask(model, turns, tools=self.tools)])

    def image(self, model):
        return self.got([self.ask(model, [types.Part.from_bytes(data=PNG, mime_type="image/png"), "what is it?"])])

    def structured(self, model):
        return self.got([self.ask(model, response_mime_type="application/json", response_json_schema=CITY)])

    def error(self, model):
        try:
            self.ask(model)
        except errors.APIError as e:
            raise Failed(e.code, e.message) from e
