//! Usage as Gemini reports it: cached tokens are inside the prompt, thoughts beside the candidates.

use portcullis_core::context::Tokens;
use portcullis_core::json::{Kind, Raw};

use crate::dialect::count::note;

/// Takes in a `usageMetadata` object, which replaces what was noted before, in one pass. Returns whether it
/// counts anything.
pub(super) fn note_usage(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let (mut prompt, mut tools, mut candidates) = (0, 0, 0);
    let mut found = Tokens::default();
    let mut counted = false;
    for member in usage.members().filter_map(Result::ok) {
        if member.key == "promptTokenCount" {
            counted |= note(member.value, &mut prompt);
        } else if member.key == "candidatesTokenCount" {
            counted |= note(member.value, &mut candidates);
        } else if member.key == "thoughtsTokenCount" {
            counted |= note(member.value, &mut found.reasoning);
        } else if member.key == "toolUsePromptTokenCount" {
            note(member.value, &mut tools);
        } else if member.key == "cachedContentTokenCount" {
            note(member.value, &mut found.cache_read);
        }
    }
    if counted {
        found.input = prompt.saturating_add(tools);
        found.output = candidates.saturating_add(found.reasoning);
        *tokens = found;
    }
    counted
}
