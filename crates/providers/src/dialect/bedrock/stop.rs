//! Why an answer ended, in Bedrock's words.

use portcullis_core::json::Raw;

use crate::translate::{Stop, Text};

/// Reads a stop reason.
pub(super) fn read(word: &str) -> Stop {
    match word {
        "end_turn" => Stop::End,
        "stop_sequence" => Stop::Sequence,
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::Window,
        "tool_use" => Stop::ToolUse,
        "guardrail_intervened" | "content_filtered" => Stop::Filter,
        "malformed_model_output" | "malformed_tool_use" => Stop::Malformed,
        _ => Stop::Other,
    }
}

/// The word for a reason. Bedrock has none for a paused turn, nor for what nobody knows.
pub(super) fn word(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Pause | Stop::Other => "end_turn",
        Stop::Sequence => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Window => "model_context_window_exceeded",
        Stop::ToolUse => "tool_use",
        Stop::Refusal | Stop::Filter => "content_filtered",
        Stop::Malformed => "malformed_model_output",
    }
}

/// The text an answer ended at, which Claude tells in `additionalModelResponseFields` when it is asked to.
pub(super) fn sequence(fields: Raw<'_>) -> Option<Text<'_>> {
    let found = match fields.get("stop_sequence") {
        Some(found) => found,
        None => fields.path(&["delta", "stop_sequence"])?,
    };
    Text::of(found)
}
