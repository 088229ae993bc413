//! Usage as OpenAI reports it: cached tokens are inside the input, reasoning inside the output.

use portcullis_core::context::Tokens;
use portcullis_core::json::Raw;

use crate::dialect::count::note;
use crate::translate::write::Object;

/// What the counts are called.
pub(super) struct Names {
    input: &'static str,
    output: &'static str,
    input_details: &'static str,
    output_details: &'static str,
}

/// Writes the members of a `usage` object.
pub(super) fn write_usage(names: &Names, o: &mut Object<'_>, tokens: &Tokens) {
    o.u64(names.input, tokens.input);
    o.u64(names.output, tokens.output);
    o.u64("total_tokens", tokens.input.saturating_add(tokens.output));
    o.object(names.input_details, |o| {
        o.u64("cached_tokens", tokens.cache_read);
        o.u64("cache_write_tokens", tokens.cache_write);
    });
    o.object(names.output_details, |o| {
        o.u64("reasoning_tokens", tokens.reasoning);
    });
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

/// Takes in a `usage` object, which replaces what was noted before, in one pass. Returns whether it counts
/// anything.
pub(super) fn note_usage(names: &Names, usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    let mut found = Tokens::default();
    let mut counted = false;
    for member in usage.members().filter_map(Result::ok) {
        if member.key == names.input {
            counted |= note(member.value, &mut found.input);
        } else if member.key == names.output {
            counted |= note(member.value, &mut found.output);
        } else if member.key == names.input_details {
            for detail in member.value.members().filter_map(Result::ok) {
                if detail.key == "cached_tokens" {
                    note(detail.value, &mut found.cache_read);
                } else if detail.key == "cache_write_tokens" {
                    note(detail.value, &mut found.cache_write);
                }
            }
        } else if member.key == names.output_details {
            for detail in member.value.members().filter_map(Result::ok) {
                if detail.key == "reasoning_tokens" {
                    note(detail.value, &mut found.reasoning);
                }
            }
        }
    }
    if counted {
        *tokens = found;
    }
    counted
}
