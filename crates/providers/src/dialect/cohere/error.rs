//! Respond: errors as Cohere writes them.

use bytes::Bytes;
use http::HeaderValue;
use portcullis_core::error::Error;
use portcullis_core::respond::Render;
use portcullis_core::wire::sse;
use serde_json::json;

/// `{"message"}`, inside a stream a `message-end` whose reason is `ERROR`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderCohere;

impl Render for RenderCohere {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        let body = json!({"message": error.message(), "code": error.code().name});
        (
            body.to_string().into(),
            HeaderValue::from_static("application/json"),
        )
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        let data = json!({
            "type": "message-end",
            "delta": {"finish_reason": "ERROR", "error": error.message()},
        });
        let data = data.to_string();
        Some(sse::encode(Some("message-end"), data.as_bytes()))
    }
}
