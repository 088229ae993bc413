//! Errors as Anthropic writes them.

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::error::{Error, Kind};
use portcullis_core::respond::Render;
use portcullis_core::wire::sse;
use serde_json::{Value, json};

/// `{"type": "error", "error": {"type", "message", "details": {"code"}}}`, inside a stream as an `error`
/// event.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderAnthropic;

impl Render for RenderAnthropic {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        (
            document(error).to_string().into(),
            HeaderValue::from_static("application/json"),
        )
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        Some(sse::encode(
            Some("error"),
            document(error).to_string().as_bytes(),
        ))
    }
}

fn document(error: &Error) -> Value {
    json!({
        "type": "error",
        "error": {
            "type": error_type(error.code().kind),
            "message": error.message(),
            "details": { "code": error.code().name },
        },
    })
}

fn error_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest => "invalid_request_error",
        Kind::Authentication => "authentication_error",
        Kind::Permission => "permission_error",
        Kind::NotFound => "not_found_error",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimit => "rate_limit_error",
        Kind::Timeout => "timeout_error",
        Kind::Unavailable => "overloaded_error",
        _ => "api_error",
    }
}
