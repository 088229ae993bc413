//! The way back: errors, in replies and in streams.

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::json::Raw;

use crate::dialect::fields::{field, members};
use crate::translate::write::object;
use crate::translate::{Text, Trouble, TroubleKind};

/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What messages about conversations that are too long have in them.
const TOO_LONG: [&str; 2] = ["too many tokens", "exceeds the context length"];

/// How much of a body that is no error of Cohere's is shown, in bytes.
const SHOWN: usize = 1024;

/// Reads an error reply.
pub(super) fn read<'a>(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Trouble<'a> {
    let document = Raw::parse(body).ok().map(members).unwrap_or_default();
    let text = |name| field(&document, name).and_then(Text::of);
    let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let message = text("message").unwrap_or_else(|| shown(status, body).into());
    Trouble {
        kind: kind(status, &message),
        status,
        message,
        code: text("code"),
        param: None,
        retry_after: None,
        request_id: text("id").or_else(|| id.map(Text::from)),
    }
}

/// What a stream ends with when generation failed.
pub(super) fn in_stream(message: Option<Text<'_>>) -> Trouble<'_> {
    let message = message.filter(|message| !message.is_empty());
    Trouble {
        kind: TroubleKind::Server,
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: message.unwrap_or_else(|| "the model failed to go on".into()),
        code: None,
        param: None,
        retry_after: None,
        request_id: None,
    }
}

fn kind(status: StatusCode, message: &Text<'_>) -> TroubleKind {
    let plain = message.plain();
    match status.as_u16() {
        400 | 422 if TOO_LONG.iter().any(|words| plain.contains(words)) => {
            TroubleKind::ContextLength
        }
        // A token that is not valid (any more), and a caller who hung up.
        498 => TroubleKind::Authentication,
        499 => TroubleKind::Timeout,
        _ => TroubleKind::of(status),
    }
}

fn shown(status: StatusCode, body: &[u8]) -> String {
    let words = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let words = words.trim_end_matches('\u{fffd}').trim();
    if words.is_empty() {
        let reason = status.canonical_reason();
        reason.unwrap_or("no reason was given").to_owned()
    } else {
        words.to_owned()
    }
}

/// Writes an error reply.
pub(super) fn write(trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut body = Vec::with_capacity(256);
    object(&mut body, |o| {
        o.maybe_text("id", trouble.request_id.as_ref());
        o.text("message", &trouble.message);
        o.maybe_text("code", trouble.code.as_ref());
    });
    let mut headers = HeaderMap::new();
    let id = trouble.request_id.as_ref();
    if let Some(id) = id.and_then(|id| HeaderValue::try_from(&*id.plain()).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(after) = trouble.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, seconds.into());
    }
    (trouble.status, headers, body)
}
