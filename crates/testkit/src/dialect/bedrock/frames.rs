//! AWS's event stream framing, written.

use bytes::Bytes;
use serde_json::Value;

use crate::{dialect::checksum::crc32, plan::Piece};

/// One event of a stream.
pub(super) fn event(name: &str, document: &Value, tokens: u64) -> Piece {
    Piece {
        bytes: message("event", ":event-type", name, document),
        tokens,
    }
}

/// The exception a stream breaks off with.
pub(crate) fn exception(name: &str, document: &Value) -> Bytes {
    message("exception", ":exception-type", name, document)
}

fn message(kind: &str, header: &str, name: &str, document: &Value) -> Bytes {
    let mut headers = Vec::new();
    for (name, value) in [
        (header, name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = document.to_string();
    let length = 12 + headers.len() + payload.len() + 4;
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&(length as u32).to_be_bytes());
    message.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload.as_bytes());
    message.extend_from_slice(&crc32(&message).to_be_bytes());
    message.into()
}
