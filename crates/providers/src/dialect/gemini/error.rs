//! Errors as Google's APIs write them.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::error::{Error, Kind};
use portcullis_core::respond::Render;
use portcullis_core::wire::sse;
use serde_json::{Value, json};

/// `{"error": {"code", "message", "status", "details"}}`; the gateway's own code is the reason in the details. In a
/// stream it is an event, or the last element of the array the stream is.
#[derive(Clone, Copy, Debug)]
pub struct RenderGemini {
    sse: bool,
}

impl RenderGemini {
    /// For replies, and streams of server-sent events.
    pub const fn events() -> Self {
        Self { sse: true }
    }

    /// For streams that are one growing array.
    pub const fn array() -> Self {
        Self { sse: false }
    }
}

impl Render for RenderGemini {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        (
            document(error).to_string().into(),
            HeaderValue::from_static("application/json"),
        )
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        let document = document(error);
        Some(if self.sse {
            sse::encode(None, document.to_string().as_bytes())
        } else {
            format!(",\r\n{document}\n]").into()
        })
    }

    fn at_start(&self, error: &Error) -> Option<Bytes> {
        if self.sse {
            return self.in_stream(error);
        }
        Some(format!("[{}\n]", document(error)).into())
    }

    fn is_stream(&self, content_type: &[u8]) -> bool {
        let kind: &[u8] = if self.sse {
            b"text/event-stream"
        } else {
            b"application/json"
        };
        let start = content_type.get(..kind.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
    }
}

fn document(error: &Error) -> Value {
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.code().name,
        "domain": "portcullis",
    })];
    if let Some(param) = error.at_param() {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": param, "description": error.message() }],
        }));
    }
    if let Some(after) = error.after() {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": delay(after),
        }));
    }
    json!({
        "error": {
            "code": error.status().as_u16(),
            "message": error.message(),
            "status": status(error.code().kind),
            "details": details,
        }
    })
}

/// A duration as protocol buffers write it.
pub(super) fn delay(after: Duration) -> String {
    format!("{}s", after.as_secs_f64())
}

fn status(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge => "INVALID_ARGUMENT",
        Kind::Authentication => "UNAUTHENTICATED",
        Kind::Permission => "PERMISSION_DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::RateLimit => "RESOURCE_EXHAUSTED",
        Kind::Timeout => "DEADLINE_EXCEEDED",
        Kind::Upstream | Kind::Unavailable => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}
