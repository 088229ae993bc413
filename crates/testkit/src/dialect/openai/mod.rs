//! OpenAI's wire format.

mod chat;
mod check;
mod embeddings;
mod files;
mod models;
mod responses;
mod responses_stream;

use serde_json::Value;

pub(crate) use self::{
    chat::chat,
    embeddings::embeddings,
    files::{file, file_content, transcription},
    models::models,
    responses::responses,
};

/// When all replies were made.
const CREATED: u64 = 1_795_000_000;

/// `error.type` for a status.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

/// `error.code` for a status.
pub(crate) fn error_code(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("invalid_api_key"),
        404 => Some("not_found"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    }
}

/// A tool's name and parameters: nested in `function` (chat), or flat (responses).
fn tool(tool: &Value) -> Option<(&str, &Value)> {
    let function = tool.get("function").unwrap_or(tool);
    Some((function["name"].as_str()?, &function["parameters"]))
}
