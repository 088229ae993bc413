//! Usage, in replies and in the last event of a stream.

use portcullis_core::context::Tokens;
use portcullis_core::json::{Kind, Members, Raw};

use crate::dialect::count::note;
use crate::translate::write::Object;

/// Takes in a `usage` object in one pass. Cached tokens stand beside `inputTokens`, not in it. Returns whether it is
/// one.
pub(super) fn read(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let cached = |tokens: &Tokens| tokens.cache_read.saturating_add(tokens.cache_write);
    let mut plain = tokens.input.saturating_sub(cached(tokens));
    for member in usage.members().filter_map(Result::ok) {
        if member.key == "inputTokens" {
            note(member.value, &mut plain);
        } else if member.key == "outputTokens" {
            note(member.value, &mut tokens.output);
        } else if member.key == "cacheReadInputTokens" {
            note(member.value, &mut tokens.cache_read);
        } else if member.key == "cacheWriteInputTokens" {
            note(member.value, &mut tokens.cache_write);
        }
    }
    tokens.input = plain.saturating_add(cached(tokens));
    true
}

/// Takes in the usage a document reports at its top.
pub(super) fn of_document(json: &[u8], tokens: &mut Tokens) -> bool {
    let mut members = Members::of_document(json).filter_map(Result::ok);
    members
        .find(|member| member.key == "usage")
        .is_some_and(|member| read(member.value, tokens))
}

/// Writes a `usage` object.
pub(super) fn write(tokens: Tokens, o: &mut Object<'_>) {
    let cached = tokens.cache_read.saturating_add(tokens.cache_write);
    o.object("usage", |o| {
        o.u64("inputTokens", tokens.input.saturating_sub(cached));
        o.u64("outputTokens", tokens.output);
        o.u64("totalTokens", tokens.input.saturating_add(tokens.output));
        if cached > 0 {
            o.u64("cacheReadInputTokens", tokens.cache_read);
            o.u64("cacheWriteInputTokens", tokens.cache_write);
        }
    });
}
