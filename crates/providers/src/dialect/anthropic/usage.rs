//! Usage, as replies and events report it.

use portcullis_core::context::Tokens;
use portcullis_core::json::{Kind, Raw};

use crate::dialect::count;
use crate::translate::write::Object;

/// Takes in a `usage` object, in one pass. Cached tokens stand beside `input_tokens`, not in it; counts in
/// later events of a stream are totals that replace earlier ones, and may be left out when they have not
/// changed.
pub(super) fn note(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let cached = |tokens: &Tokens| tokens.cache_read.saturating_add(tokens.cache_write);
    let mut plain = tokens.input.saturating_sub(cached(tokens));
    for member in usage.members().filter_map(Result::ok) {
        if member.key == "input_tokens" {
            count::note(member.value, &mut plain);
        } else if member.key == "output_tokens" {
            count::note(member.value, &mut tokens.output);
        } else if member.key == "cache_read_input_tokens" {
            count::note(member.value, &mut tokens.cache_read);
        } else if member.key == "cache_creation_input_tokens" {
            count::note(member.value, &mut tokens.cache_write);
        } else if member.key == "output_tokens_details"
            && let Some(thinking) = member.value.get("thinking_tokens")
        {
            count::note(thinking, &mut tokens.reasoning);
        }
    }
    tokens.input = plain.saturating_add(cached(tokens));
    true
}

/// Writes a `usage` object: cached tokens beside the others.
pub(super) fn write(tokens: &Tokens, o: &mut Object<'_>) {
    let cached = tokens.cache_read.saturating_add(tokens.cache_write);
    o.u64("input_tokens", tokens.input.saturating_sub(cached));
    o.u64("cache_creation_input_tokens", tokens.cache_write);
    o.u64("cache_read_input_tokens", tokens.cache_read);
    o.u64("output_tokens", tokens.output);
    if tokens.reasoning > 0 {
        o.object("output_tokens_details", |o| {
            o.u64("thinking_tokens", tokens.reasoning);
        });
    }
}
