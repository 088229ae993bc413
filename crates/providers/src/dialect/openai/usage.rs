//! Usage as OpenAI reports it: cached tokens are inside the input, reasoning inside the output.

use portcullis_core::context::Tokens;
use portcullis_core::json::{Kind, Raw};

/// What the counts are called.
pub(super) struct Names {
    input: &'static str,
    output: &'static str,
    input_details: &'static str,
    output_details: &'static str,
}

/// In chat completions and embeddings.
pub(super) static CHAT: Names = Names {
    input: "prompt_tokens",
    output: "completion_tokens",
    input_details: "prompt_tokens_details",
    output_details: "completion_tokens_details",
};

/// In responses.
pub(super) static RESPONSES: Names = Names {
    input: "input_tokens",
    output: "output_tokens",
    input_details: "input_tokens_details",
    output_details: "output_tokens_details",
};

/// Takes in a `usage` object, which replaces what was noted before. Returns whether it counts anything.
pub(super) fn note_usage(names: &Names, usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let count = |keys: &[&str]| usage.path(keys).and_then(Raw::as_count);
    let (input, output) = (count(&[names.input]), count(&[names.output]));
    if input.or(output).is_none() {
        return false;
    }
    tokens.input = input.unwrap_or(0);
    tokens.output = output.unwrap_or(0);
    tokens.cache_read = count(&[names.input_details, "cached_tokens"]).unwrap_or(0);
    tokens.cache_write = count(&[names.input_details, "cache_write_tokens"]).unwrap_or(0);
    tokens.reasoning = count(&[names.output_details, "reasoning_tokens"]).unwrap_or(0);
    true
}
