"""The asynchronous clients. One event loop for all: their connections belong to it."""

import asyncio
from typing import Any

from kit import HI, TEXT, Call, Ends, case, dump, equal, text_of

CHAT = {"model": "gpt-test", "messages": HI, "stream_options": {"include_usage": True}}
MESSAGE = {"model": "claude-test", "max_tokens": 1000, "messages": HI}


async def everything(to: Ends) -> list:
    """One call of each kind, all at once."""
    return await asyncio.gather(
        to.openai_async.chat.completions.create(model="gpt-test", messages=HI),
        collect(to.openai_async.chat.completions.create(**CHAT, stream=True)),
        to.openai_async.responses.create(model="gpt-test", input="hi"),
        collect(to.openai_async.responses.create(model="gpt-test", input="hi", stream=True)),
        to.openai_async.embeddings.create(model="embed-test", input="one"),
        to.anthropic_async.messages.create(**MESSAGE),
        collect(to.anthropic_async.messages.create(**MESSAGE, stream=True)),
        to.anthropic_async.messages.count_tokens(model="claude-test", messages=HI),
    )


async def collect(stream: Any) -> list:
    return [event async for event in await stream]


async def echoed(to: Ends) -> list[str]:
    """What the model `echo` says back, in both dialects."""
    ask = {"model": "echo", "messages": HI}
    chunks = await collect(to.openai_async.chat.completions.create(**ask, stream=True))
    reply = await to.anthropic_async.messages.create(**ask, max_tokens=10)
    return [text_of(chunks), reply.content[0].text]


async def leave(call: Call) -> None:
    """Cancels the task that reads a stream which stands still."""
    ask = {**CHAT, "stream": True, "extra_headers": {"x-fault": "stall-after-3"}}
    stream = await call.via.openai_async.chat.completions.create(**ask)
    for _ in range(3):
        await anext(stream)
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await stream.close()
    call.left()


@case
def asynchronous_clients(call: Call) -> None:
    async def run() -> tuple[list, list]:
        got, wanted = await everything(call.via), await everything(call.direct)
        equal(await echoed(call.via), ["hi", "hi"])
        await leave(call)
        return got, wanted

    got, wanted = asyncio.run(run())
    equal(dump(got), dump(wanted))
    equal((got[0].choices[0].message.content, text_of(got[1]), got[2].output_text), (TEXT, TEXT, TEXT))
