"""What an SDK is asked to do, and what must come of it whichever upstream answers."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

# What the fake upstreams say, and what they call a tool with.
TEXT = "Hello from the fake upstream, one word at a time."
ARGUMENTS = {"city": "test"}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
TOOL, ABOUT = "get_weather", "the weather in a city"
# A picture of one red pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SECONDS = 30.0


@dataclass
class Got:
    """What an SDK made of a reply, in one form for all of them."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    stop: str = ""
    tokens: tuple[int, int] = (0, 0)


class Failed(Exception):
    """An SDK raised the error it has for a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Client:
    """One SDK. Each method makes one call for `model` and returns what came of it."""

    name: str

    def plain(self, model: str) -> Got:
        raise NotImplementedError

    def stream(self, model: str) -> Got:
        raise NotImplementedError

    def tool(self, model: str, stream: bool) -> Got:
        """Offers a tool, which the upstream calls."""
        raise NotImplementedError

    def result(self, model: str) -> Got:
        """Offers a tool, takes its call, and sends its result in the next turn."""
        raise NotImplementedError

    def image(self, model: str) -> Got:
        raise NotImplementedError

    def structured(self, model: str) -> Got:
        raise NotImplementedError

    def error(self, model: str) -> None:
        """Calls a model whose upstream refuses the key: raises Failed."""
        raise NotImplementedError


def says(got: Got, stop: str) -> None:
    assert got.text == TEXT, got
    ended(got, stop)


def calls(got: Got, stop: str) -> None:
    assert got.calls == [(TOOL, ARGUMENTS)], got
    ended(got, stop)


def is_json(got: Got, stop: str) -> None:
    assert json.loads(got.text) == ARGUMENTS, got
    ended(got, stop)


def ended(got: Got, stop: str) -> None:
    assert got.stop == stop, got
    assert got.tokens[0] > 0 and got.tokens[1] > 0, got
