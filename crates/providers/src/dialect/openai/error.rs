//! Errors as OpenAI writes them.

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::error::{Error, Kind};
use portcullis_core::respond::Render;
use portcullis_core::wire::sse;
use serde_json::{Value, json};

/// `{"error": {"message", "type", "param", "code"}}`, and inside a stream the event its dialect has.
#[derive(Clone, Copy, Debug)]
pub struct RenderOpenAi {
    named_events: bool,
}

impl RenderOpenAi {
    /// For chat completions, whose events have no names.
    pub const fn chat() -> Self {
        Self {
            named_events: false,
        }
    }

    /// For responses, whose events have names.
    pub const fn responses() -> Self {
        Self { named_events: true }
    }
}

impl Render for RenderOpenAi {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        let body = json!({ "error": error_object(error) });
        (
            body.to_string().into(),
            HeaderValue::from_static("application/json"),
        )
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        if !self.named_events {
            let data = json!({ "error": error_object(error) });
            return Some(sse::encode(None, data.to_string().as_bytes()));
        }
        let data = json!({
            "type": "error",
            "code": error.code().name,
            "message": error.message(),
            "param": error.at_param(),
            "sequence_number": 0,
        });
        Some(sse::encode(Some("error"), data.to_string().as_bytes()))
    }
}

fn error_object(error: &Error) -> Value {
    json!({
        "message": error.message(),
        "type": error_type(error.code().kind),
        "param": error.at_param(),
        "code": error.code().name,
    })
}

fn error_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::NotFound | Kind::TooLarge => "invalid_request_error",
        Kind::Authentication => "authentication_error",
        Kind::Permission => "permission_error",
        Kind::RateLimit => "rate_limit_error",
        Kind::Timeout => "timeout_error",
        _ => "server_error",
    }
}
