//! The way back: why an answer ended.

use portcullis_core::json::Raw;

use crate::translate::{Losses, Stop};

/// Reads a `finish_reason`.
pub(super) fn read(value: Raw<'_>) -> Stop {
    match value.as_str().as_deref() {
        Some("COMPLETE") => Stop::End,
        Some("STOP_SEQUENCE") => Stop::Sequence,
        Some("MAX_TOKENS") => Stop::Length,
        Some("TOOL_CALL") => Stop::ToolUse,
        _ => Stop::Other,
    }
}

/// Whether generation failed.
pub(super) fn has_failed(value: Raw<'_>) -> bool {
    matches!(value.as_str().as_deref(), Some("ERROR" | "TIMEOUT"))
}

/// The word for it. What there is none for is noted as lost.
pub(super) fn word(stop: Stop, losses: &mut Losses) -> &'static str {
    match stop {
        Stop::End => "COMPLETE",
        Stop::Sequence => "STOP_SEQUENCE",
        Stop::Length => "MAX_TOKENS",
        Stop::ToolUse => "TOOL_CALL",
        Stop::Window => {
            losses.add("finish_reason", "a full window is the most tokens there");
            "MAX_TOKENS"
        }
        Stop::Refusal | Stop::Pause | Stop::Filter | Stop::Malformed | Stop::Other => {
            losses.add("finish_reason", "Cohere has no word for it but `COMPLETE`");
            "COMPLETE"
        }
    }
}
