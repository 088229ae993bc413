"""AWS's SDK: Bedrock's Converse. Replies go through botocore's own parser."""

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from kit import ABOUT, CITY, PNG, SECONDS, TOOL, Client, Failed, Got

HI = [{"role": "user", "content": [{"text": "hi"}]}]


class Converse(Client):
    name = "bedrock-converse"
    stops = ("end_turn", "tool_use")

    def __init__(self, gateway: str) -> None:
        config = Config(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=SECONDS, connect_timeout=SECONDS)
        self.sdk = boto3.client(
            "bedrock-runtime",
            endpoint_url=gateway,
            region_name="us-east-1",
            aws_access_key_id="AKIACALLER",
            aws_secret_access_key="caller",
            config=config,
        )

    tools = {"tools": [{"toolSpec": {"name": TOOL, "description": ABOUT, "inputSchema": {"json": CITY}}}]}

    def asked(self, messages=HI, **more) -> dict:
        return {"messages": messages, "system": [{"text": "Be kind."}], **more}

    def ask(self, model: str, messages=HI, **more) -> Got:
        return self.got(self.sdk.converse(modelId=model, **self.asked(messages, **more)))

    def got(self, reply: dict) -> Got:
        got = Got(stop=reply["stopReason"], tokens=(reply["usage"]["inputTokens"], reply["usage"]["outputTokens"]))
        for block in reply["output"]["message"]["content"]:
            got.text += block.get("text", "")
            if "toolUse" in block:
                got.calls.append((block["toolUse"]["name"], block["toolUse"]["input"]))
        return got

    def streamed(self, model: str, **more) -> Got:
        import json

        got, named, arguments = Got(), None, ""
        for event in self.sdk.converse_stream(modelId=model, **self.asked(**more))["stream"]:
            if "contentBlockStart" in event:
                named = event["contentBlockStart"]["start"]["toolUse"]["name"]
            if "contentBlockDelta" in event:
                delta = event["contentBlockDelta"]["delta"]
                got.text += delta.get("text", "")
                arguments += delta.get("toolUse", {}).get("input", "")
            if "contentBlockStop" in event and named:
                got.calls.append((named, json.loads(arguments)))
                named, arguments = None, ""
            if "messageStop" in event:
                got.stop = event["messageStop"]["stopReason"]
            if "metadata" in event:
                used = event["metadata"]["usage"]
                got.tokens = (used["inputTokens"], used["outputTokens"])
        return got

    def plain(self, model):
        return self.ask(model, inferenceConfig={"maxTokens": 1000, "stopSequences": ["never"]})

    def stream(self, model):
        return self.streamed(model)

    def tool(self, model, stream):
        return self.streamed(model, toolConfig=self.tools) if stream else self.ask(model, toolConfig=self.tools)

    def result(self, model):
        said = self.sdk.converse(modelId=model, **self.asked(toolConfig=self.tools))["output"]["message"]
        (call,) = [block["toolUse"] for block in said["content"] if "toolUse" in block]
        answer = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}}
        return self.ask(model, [*HI, said, {"role": "user", "content": [answer]}], toolConfig=self.tools)

    def image(self, model):
        picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
        return self.ask(model, [{"role": "user", "content": [picture, {"text": "what is it?"}]}])

    def structured(self, model):
        import json

        schema = {"jsonSchema": {"name": "city", "schema": json.dumps(CITY)}}
        return self.ask(model, outputConfig={"textFormat": {"type": "json_schema", "structure": schema}})

    def error(self, model):
        try:
            self.ask(model)
        except ClientError as e:
            status = e.response["ResponseMetadata"]["HTTPStatusCode"]
            raise Failed(status, e.response["Error"]["Message"]) from e
