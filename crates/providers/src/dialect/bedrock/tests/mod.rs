//! What is claimed of Bedrock's dialects.

mod claims;
mod laws;
mod reply;
mod request;
mod stream;

use std::sync::Arc;

use serde_json::Value;

use super::ConverseWire;
use crate::translate::{Asked, Losses, Target, Wire};

/// The head of a call of this path.
pub(super) fn head(path: &str) -> http::request::Parts {
    let request = http::Request::post(path).body(()).unwrap();
    request.into_parts().0
}

/// What a reply to a call is written for.
pub(super) fn asked() -> Asked {
    Asked {
        model: "model".into(),
        call: "c1".into(),
        created: 1,
        stream: true,
        usage: true,
        functions: false,
        head: Arc::new(head("/")),
    }
}

/// The names of what was lost.
pub(super) fn fields(losses: &Losses) -> Vec<&str> {
    losses.iter().map(|loss| &*loss.field).collect()
}

/// Reads a request and writes it again for Claude.
pub(super) fn again(body: &Value) -> (Value, Vec<String>) {
    let body = body.to_string();
    let head = head("/model/anthropic.claude-x/converse");
    let mut losses = Losses::default();
    let read = ConverseWire
        .read_request(&head, body.as_bytes(), &mut losses)
        .unwrap();
    let target = Target::new("anthropic.claude-x");
    let written = ConverseWire
        .write_request(&read, &target, &mut losses)
        .unwrap();
    let lost = fields(&losses).into_iter().map(str::to_owned).collect();
    (serde_json::from_slice(&written.body).unwrap(), lost)
}
