//! The way back: why an answer ended.

use portcullis_core::json::Raw;

use crate::translate::write::Object;
use crate::translate::{Stop, Text};

const WORDS: [(&str, Stop); 7] = [
    ("end_turn", Stop::End),
    ("max_tokens", Stop::Length),
    ("stop_sequence", Stop::Sequence),
    ("tool_use", Stop::ToolUse),
    ("pause_turn", Stop::Pause),
    ("refusal", Stop::Refusal),
    ("model_context_window_exceeded", Stop::Window),
];

/// Reads a `stop_reason`. A word that came after this was written is another reason.
pub(super) fn read(value: Raw<'_>) -> Stop {
    let Some(word) = value.as_str() else {
        return Stop::Other;
    };
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map_or(Stop::Other, |(_, stop)| *stop)
}

/// What is told of an answer that ended so, and may consist of a refusal.
pub(super) fn shown(stop: Stop, refused: bool) -> Stop {
    match stop {
        Stop::End | Stop::Other if refused => Stop::Refusal,
        Stop::Filter => Stop::Refusal,
        Stop::Malformed | Stop::Other => Stop::End,
        stop => stop,
    }
}

/// Writes `stop_reason` and what belongs to it.
pub(super) fn write(
    o: &mut Object<'_>,
    stop: Stop,
    sequence: Option<&Text<'_>>,
    details: Option<&Text<'_>>,
) {
    let known = WORDS.iter().find(|(_, known)| *known == stop);
    o.str("stop_reason", known.map_or("end_turn", |(word, _)| word));
    match sequence.filter(|_| stop == Stop::Sequence) {
        Some(sequence) => o.text("stop_sequence", sequence),
        None => o.null("stop_sequence"),
    }
    match details.filter(|_| stop == Stop::Refusal) {
        Some(details) => o.object("stop_details", |o| {
            o.str("type", "refusal");
            o.null("category");
            o.text("explanation", details);
        }),
        None => o.null("stop_details"),
    }
}

/// Whether a reply's tier is one of this API's.
pub(super) fn is_tier(tier: &Text<'_>) -> bool {
    ["standard", "priority", "batch"]
        .iter()
        .any(|known| tier.is(known))
}
