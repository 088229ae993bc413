//! Encode: why an answer ended.

use crate::translate::Stop;

/// Reads a `finishReason`. Gemini says `STOP` whether or not tools are called.
pub(super) fn read(reason: &str, calls: bool) -> Stop {
    match reason {
        "STOP" if calls => Stop::ToolUse,
        "STOP" => Stop::End,
        "MAX_TOKENS" => Stop::Length,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => Stop::Malformed,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Stop::Filter,
        _ => Stop::Other,
    }
}

/// The `finishReason` for it.
pub(super) fn written(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::ToolUse => "STOP",
        Stop::Length | Stop::Window => "MAX_TOKENS",
        Stop::Refusal | Stop::Filter => "SAFETY",
        Stop::Malformed => "MALFORMED_FUNCTION_CALL",
        Stop::Pause | Stop::Other => "OTHER",
    }
}
