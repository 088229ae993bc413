"""What the cases are written with: clients on either side of the gateway, and comparisons of what they get."""

import sys
from dataclasses import dataclass
from typing import Any, Callable

import anthropic
import openai

# The callers' key, which must not reach an upstream, and the keys the upstreams want.
CALLER, OPENAI_KEY, ANTHROPIC_KEY = "sk-caller", "sk-openai", "sk-anthropic"
# What the upstreams say.
TEXT = "Hello from the fake upstream, one word at a time."
HI = [{"role": "user", "content": "hi"}]
# A parameter schema the upstreams answer with {"city": "test"}.
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SECONDS = 30.0

CASES: dict[str, Callable[["Call"], None]] = {}


def case(f: Callable[["Call"], None]) -> Callable[["Call"], None]:
    """Registers a case under its function's name."""
    assert f.__name__ not in CASES, f.__name__
    CASES[f.__name__] = f
    return f


@dataclass
class Ends:
    """Clients of one side, for one case."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    openai_async: openai.AsyncOpenAI
    anthropic_async: anthropic.AsyncAnthropic

    def marked(self, headers: dict[str, str]) -> "Ends":
        """The same clients, sending these headers as well."""
        clients = (self.openai, self.anthropic, self.openai_async, self.anthropic_async)
        return Ends(*(client.with_options(default_headers=headers) for client in clients))


class Sides:
    """The clients: through the gateway, past it, and through it by a route that does not look at models."""

    def __init__(self, gateway: str, openai_url: str, anthropic_url: str) -> None:
        self.gateway = gateway
        self.via = ends(gateway, gateway, CALLER, CALLER)
        self.plain = ends(f"{gateway}/openai", f"{gateway}/anthropic", CALLER, CALLER)
        self.direct = ends(openai_url, anthropic_url, OPENAI_KEY, ANTHROPIC_KEY)


def ends(openai_url: str, anthropic_url: str, openai_key: str, anthropic_key: str) -> Ends:
    """Clients that do not retry."""
    of_openai = {"base_url": f"{openai_url}/v1", "api_key": openai_key, "max_retries": 0, "timeout": SECONDS}
    of_anthropic = {"base_url": anthropic_url, "api_key": anthropic_key, "max_retries": 0, "timeout": SECONDS}
    return Ends(
        openai.OpenAI(**of_openai),
        anthropic.Anthropic(**of_anthropic),
        openai.AsyncOpenAI(**of_openai),
        anthropic.AsyncAnthropic(**of_anthropic),
    )


class Call:
    """One case: the clients, each marked with the case's name so that the upstreams can be asked about it."""

    def __init__(self, name: str, sides: Sides) -> None:
        self.name = name
        self.url = sides.gateway
        mark = {"x-case": name}
        self.via, self.plain, self.direct = (
            side.marked(mark) for side in (sides.via, sides.plain, sides.direct)
        )

    def same(self, f: Callable[[Ends], Any], but: tuple[str, ...] = ()) -> Any:
        """Calls through the gateway and past it; both must return the same, these fields aside."""
        got, wanted = f(self.via), f(self.direct)
        equal(without(dump(got), but), without(dump(wanted), but))
        return got

    def fails(self, f: Callable[[Ends], Any], wanted: type[Exception]) -> Any:
        """Calls through the gateway and past it; both must fail the same, down to the bytes of the body."""
        got, direct = raised(f, self.via), raised(f, self.direct)
        assert type(got) is wanted, repr(got)
        assert type(direct) is wanted, repr(direct)
        equal(got.status_code, direct.status_code)
        equal(got.response.content, direct.response.content)
        equal(got.response.headers.get("retry-after"), direct.response.headers.get("retry-after"))
        assert "portcullis-error" not in got.response.headers
        return got

    def refused(self, f: Callable[[Ends], Any], wanted: type[Exception], code: str) -> Any:
        """Calls through the gateway, which refuses by itself with this code."""
        got = raised(f, self.via)
        assert type(got) is wanted, repr(got)
        equal(got.response.headers["portcullis-error"], code)
        return got

    def left(self) -> None:
        """Tells whoever started this that the caller has just hung up."""
        print(f"left {self.name}", flush=True)


def raised(f: Callable[[Ends], Any], side: Ends) -> Any:
    """The error a call raises."""
    try:
        got = f(side)
    except (openai.APIError, anthropic.APIError) as error:
        return error
    raise AssertionError(f"no error, but {dump(got)!r}")


def equal(got: Any, wanted: Any) -> None:
    """Demands equality, and says what was there instead."""
    assert got == wanted, f"\n   got {shorten(got)}\nwanted {shorten(wanted)}"


def shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-900:]}"


def dump(value: Any) -> Any:
    """Models as plain data."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", warnings=False)
    if isinstance(value, (list, tuple)):
        return [dump(item) for item in value]
    return value


def without(value: Any, keys: tuple[str, ...]) -> Any:
    """Plain data, these keys left out wherever they are."""
    if isinstance(value, dict):
        return {key: without(item, keys) for key, item in value.items() if key not in keys}
    if isinstance(value, list):
        return [without(item, keys) for item in value]
    return value


def text_of(chunks: list[Any]) -> str:
    """What a streamed chat completion says."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def prompt(size: int) -> str:
    """A text of this many bytes, with some that JSON escapes."""
    line = "The quick \"brown\" fox jumps over the lazy dög.\n"
    return (line * (size // len(line.encode()) + 1)).encode()[:size].decode(errors="ignore")


assert sys.version_info >= (3, 10), "the SDKs need a newer Python"
