//! The recordings there are. Their bytes are in `shapes/`.

use crate::shape::{
    ShapeEnd::{Error, Missing, Terminal, Whole},
    parse::Recording,
};

macro_rules! recording {
    ($name:literal, $end:expr, $usage:expr, $about:literal) => {
        Recording {
            name: $name,
            about: $about,
            end: $end,
            usage: $usage,
            request: include_bytes!(concat!("../../shapes/", $name, ".request")),
            response: include_bytes!(concat!("../../shapes/", $name, ".response")),
        }
    };
}

pub(super) const RECORDINGS: &[Recording] = &[
    recording!("chat-plain", Whole, Some((14, 6, 0)), "nothing"),
    recording!(
        "chat-cached",
        Whole,
        Some((2048, 6, 1920)),
        "most of the prompt was read from the cache"
    ),
    recording!("chat-tools", Whole, Some((58, 17, 0)), "one tool call"),
    recording!(
        "chat-tools-parallel",
        Whole,
        Some((58, 34, 0)),
        "two tool calls in one reply"
    ),
    recording!(
        "chat-refusal",
        Whole,
        Some((20, 9, 0)),
        "the model declines; content is null"
    ),
    recording!(
        "chat-reasoning",
        Whole,
        Some((31, 140, 0)),
        "reasoning tokens inside the completion, and a field many hosts add"
    ),
    recording!(
        "chat-length",
        Whole,
        Some((14, 2, 0)),
        "cut at the token limit"
    ),
    recording!(
        "chat-odd-spelling",
        Whole,
        Some((14, 6, 0)),
        "unknown fields, whitespace, key order, 23-digit numbers, 1.0 beside 1, escapes, in both directions"
    ),
    recording!("chat-bare", Whole, None, "only what is required, no usage"),
    recording!(
        "chat-data-url",
        Whole,
        Some((274, 6, 0)),
        "an image as a data URL, content in parts"
    ),
    recording!("chat-stream", Terminal, None, "no usage asked, none sent"),
    recording!(
        "chat-stream-usage",
        Terminal,
        Some((14, 6, 0)),
        "usage in a chunk of its own, null before"
    ),
    recording!(
        "chat-stream-obfuscation",
        Terminal,
        Some((14, 6, 0)),
        "padding fields in each chunk"
    ),
    recording!(
        "chat-stream-tools",
        Terminal,
        Some((58, 17, 0)),
        "arguments in pieces"
    ),
    recording!(
        "chat-stream-tools-parallel",
        Terminal,
        None,
        "two calls by index"
    ),
    recording!(
        "chat-stream-two-choices",
        Terminal,
        None,
        "n = 2, choices interleaved"
    ),
    recording!(
        "chat-stream-crlf",
        Terminal,
        Some((14, 6, 0)),
        "CRLF line ends"
    ),
    recording!(
        "chat-stream-comments",
        Terminal,
        None,
        "comments as keep-alives, before, between and inside events"
    ),
    recording!(
        "chat-stream-no-space",
        Terminal,
        None,
        "`data:` without a space, id and retry lines, unknown fields"
    ),
    recording!(
        "chat-stream-multi-line-data",
        Terminal,
        None,
        "one event over several data lines"
    ),
    recording!(
        "chat-stream-unterminated",
        Terminal,
        None,
        "the last event has no blank line behind it"
    ),
    recording!(
        "chat-stream-no-done",
        Missing,
        Some((14, 6, 0)),
        "finished, but without [DONE]"
    ),
    recording!(
        "chat-stream-cut-json",
        Missing,
        None,
        "ends properly as HTTP in the middle of an event"
    ),
    recording!(
        "chat-stream-error",
        Error,
        None,
        "an error object inside a 200"
    ),
    recording!(
        "chat-stream-azure",
        Terminal,
        Some((14, 6, 0)),
        "a first chunk with empty choices and filter results, which is not the usage chunk"
    ),
    recording!(
        "chat-stream-usage-in-last-delta",
        Terminal,
        Some((14, 6, 0)),
        "usage beside choices, on the last delta instead of a chunk of its own"
    ),
    recording!(
        "chat-stream-escapes",
        Terminal,
        None,
        "odd whitespace and escapes inside the events"
    ),
    recording!(
        "chat-stream-leading-bom",
        Terminal,
        None,
        "a byte order mark opens the stream"
    ),
    recording!(
        "chat-stream-long",
        Terminal,
        None,
        "one event of 64 kB among small ones"
    ),
    recording!("chat-error-400", Whole, None, "an argument is refused"),
    recording!(
        "chat-error-400-filter",
        Whole,
        None,
        "a content filter with details of its own"
    ),
    recording!("chat-error-401", Whole, None, "a wrong key"),
    recording!("chat-error-404", Whole, None, "an unknown model"),
    recording!(
        "chat-error-429",
        Whole,
        None,
        "a rate limit with all its headers, answered to a stream"
    ),
    recording!(
        "chat-error-500",
        Whole,
        None,
        "pretty-printed, with a line feed behind it"
    ),
    recording!(
        "chat-error-503-html",
        Whole,
        None,
        "a balancer answers with HTML"
    ),
    recording!("responses-plain", Whole, Some((14, 6, 0)), "nothing"),
    recording!(
        "responses-reasoning",
        Whole,
        Some((31, 140, 16)),
        "a reasoning item whose encrypted content must come back unchanged"
    ),
    recording!(
        "responses-tools",
        Whole,
        Some((58, 17, 0)),
        "a function call item"
    ),
    recording!("responses-stream", Terminal, Some((14, 6, 0)), "nothing"),
    recording!(
        "responses-stream-tools",
        Terminal,
        Some((58, 17, 0)),
        "arguments in pieces"
    ),
    recording!(
        "responses-stream-incomplete",
        Terminal,
        Some((14, 6, 0)),
        "cut at the token limit: a terminal event of its own"
    ),
    recording!(
        "responses-stream-failed",
        Terminal,
        None,
        "fails behind the first words"
    ),
    recording!(
        "responses-stream-error",
        Error,
        None,
        "an error event inside a 200"
    ),
    recording!(
        "responses-stream-odd",
        Terminal,
        Some((14, 6, 0)),
        "event line behind the data line, unknown event kinds, CRLF, a late [DONE]"
    ),
    recording!("messages-plain", Whole, Some((14, 6, 0)), "nothing"),
    recording!(
        "messages-cached",
        Whole,
        Some((2062, 6, 1920)),
        "input tokens exclude the cached ones"
    ),
    recording!(
        "messages-tools",
        Whole,
        Some((61, 24, 0)),
        "text, then a tool call"
    ),
    recording!(
        "messages-tools-parallel",
        Whole,
        Some((61, 40, 0)),
        "two tool calls, one without input"
    ),
    recording!(
        "messages-thinking",
        Whole,
        Some((40, 90, 0)),
        "thinking and redacted thinking, whose signatures must survive"
    ),
    recording!(
        "messages-refusal",
        Whole,
        Some((14, 1, 0)),
        "stopped by a classifier"
    ),
    recording!(
        "messages-newest-version",
        Whole,
        Some((14, 6, 0)),
        "version 2026-10-21, a beta list, a query"
    ),
    recording!(
        "messages-odd-spelling",
        Whole,
        Some((14, 6, 0)),
        "unknown fields, key order, whitespace, numbers, escapes, in both directions"
    ),
    recording!(
        "messages-stream",
        Terminal,
        Some((14, 6, 0)),
        "a ping behind the first block start"
    ),
    recording!(
        "messages-stream-cumulative-usage",
        Terminal,
        Some((2062, 6, 1920)),
        "the last usage repeats the input and counts the whole output"
    ),
    recording!(
        "messages-stream-tools-parallel",
        Terminal,
        Some((61, 40, 0)),
        "text and two tool calls, one without input"
    ),
    recording!(
        "messages-stream-thinking",
        Terminal,
        Some((40, 90, 0)),
        "thinking with a signature, then redacted thinking, then text"
    ),
    recording!(
        "messages-stream-pings",
        Terminal,
        Some((14, 6, 0)),
        "many pings and an unknown event kind"
    ),
    recording!(
        "messages-stream-crlf",
        Terminal,
        Some((14, 6, 0)),
        "CRLF, no space behind the colon, comments"
    ),
    recording!(
        "messages-stream-error",
        Error,
        Some((14, 1, 0)),
        "overloaded inside a 200"
    ),
    recording!(
        "messages-stream-no-stop",
        Missing,
        Some((14, 6, 0)),
        "ends behind message_delta"
    ),
    recording!("messages-error-400", Whole, None, "a field is missing"),
    recording!("messages-error-401", Whole, None, "a wrong key"),
    recording!("messages-error-404", Whole, None, "an unknown model"),
    recording!(
        "messages-error-429",
        Whole,
        None,
        "a rate limit with its headers"
    ),
    recording!("messages-error-500", Whole, None, "an internal error"),
    recording!(
        "messages-error-529",
        Whole,
        None,
        "overloaded, answered to a stream"
    ),
    recording!("count-tokens", Whole, None, "nothing"),
    recording!(
        "embeddings-floats",
        Whole,
        Some((5, 0, 0)),
        "numbers spelled in every way"
    ),
    recording!(
        "embeddings-base64",
        Whole,
        Some((9, 0, 0)),
        "two inputs, base64 of little-endian floats"
    ),
    recording!(
        "embeddings-usage-first",
        Whole,
        Some((5, 0, 0)),
        "usage before 1536 numbers"
    ),
    recording!("models-openai", Whole, None, "the list"),
    recording!(
        "models-anthropic",
        Whole,
        None,
        "the same path, told apart by a header"
    ),
    recording!("model-openai-404", Whole, None, "an unknown model"),
];
