"""Every official SDK calls every upstream dialect through a gateway; prints a table of what holds.

GATEWAY is its URL. It serves the models `up-DIALECT`, one for each upstream, and `bad-DIALECT`, for which the gateway
shows the upstream a key it refuses. Words given as arguments pick SDKs or upstreams by name. The exit code is 0 if every cell
holds.
"""

import os
import sys
import traceback

import anthropic_sdk
import bedrock_sdk
import cohere_sdk
import gemini_sdk
import kit
import openai_sdk

UPSTREAMS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "bedrock-converse", "cohere-chat"]
SDKS = [
    openai_sdk.Chat,
    openai_sdk.Responses,
    anthropic_sdk.Messages,
    gemini_sdk.Gemini,
    bedrock_sdk.Converse,
    cohere_sdk.Chat,
]


def cases(client: kit.Client, model: str, bad: str):
    """Name and claim of each cell of one SDK and one upstream."""
    end, tool = client.stops
    yield "plain", lambda: kit.says(client.plain(model), end)
    yield "stream", lambda: kit.says(client.stream(model), end)
    yield "tool", lambda: kit.calls(client.tool(model, stream=False), tool)
    yield "tool stream", lambda: kit.calls(client.tool(model, stream=True), tool)
    yield "result", lambda: kit.says(client.result(model), end)
    yield "image", lambda: kit.says(client.image(model), end)
    yield "structured", lambda: kit.is_json(client.structured(model), end)
    yield "error", lambda: refused(client, bad)


def refused(client: kit.Client, bad: str) -> None:
    try:
        client.error(bad)
    except kit.Failed as e:
        assert e.status in (401, 403) and "key" in e.message, e
    else:
        raise AssertionError("the call was not refused")


def main() -> int:
    gateway, wanted = os.environ["GATEWAY"], sys.argv[1:]
    failed, rows = [], []
    for sdk in SDKS:
        client, row = sdk(gateway), []
        for upstream in UPSTREAMS:
            if wanted and not any(word in (client.name, upstream) for word in wanted):
                row.append("-")
                continue
            held = total = 0
            for name, claim in cases(client, f"up-{upstream}", f"bad-{upstream}"):
                total += 1
                try:
                    claim()
                    held += 1
                except Exception:
                    failed.append(f"{client.name} -> {upstream}: {name}")
                    print(f"FAILED {failed[-1]}", flush=True)
                    traceback.print_exc(file=sys.stdout)
            row.append(f"{held}/{total}")
        rows.append((client.name, row))
    print(f"| SDK \\ upstream | {' | '.join(UPSTREAMS)} |")
    print("|---|" + "---|" * len(UPSTREAMS))
    for name, row in rows:
        print(f"| {name} | {' | '.join(row)} |")
    print(f"{len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
