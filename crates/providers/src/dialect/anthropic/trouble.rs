//! The way back: errors, in replies and in streams.

use std::borrow::Cow;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::json::Raw;

use crate::dialect::fields::{field, members};
use crate::translate::write::object;
use crate::translate::{Text, Trouble, TroubleKind};

/// The header that names a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Types of errors, with the status each comes with.
const TYPES: [(&str, TroubleKind, u16); 10] = [
    ("invalid_request_error", TroubleKind::InvalidRequest, 400),
    ("authentication_error", TroubleKind::Authentication, 401),
    ("billing_error", TroubleKind::Billing, 402),
    ("permission_error", TroubleKind::Permission, 403),
    ("not_found_error", TroubleKind::NotFound, 404),
    ("request_too_large", TroubleKind::TooLarge, 413),
    ("rate_limit_error", TroubleKind::RateLimit, 429),
    ("api_error", TroubleKind::Server, 500),
    ("timeout_error", TroubleKind::Timeout, 504),
    ("overloaded_error", TroubleKind::Overloaded, 529),
];

/// What messages about conversations that are too long begin with, or have in them.
const TOO_LONG: [&str; 2] = ["prompt is too long", "exceed context limit"];

/// How much of a body that is no error of ours is shown, in bytes.
const SHOWN: usize = 1024;

/// Reads an error reply.
pub(super) fn read<'a>(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Trouble<'a> {
    let read = Raw::parse(body)
        .ok()
        .and_then(|raw| read_document(raw, Some(status)));
    let mut trouble = read.unwrap_or_else(|| unknown(status, body));
    if trouble.request_id.is_none() {
        let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        trouble.request_id = id.map(Text::from);
    }
    trouble
}

/// What is no error of this dialect, and told by its status.
pub(super) fn unknown(status: StatusCode, body: &[u8]) -> Trouble<'static> {
    Trouble {
        kind: TroubleKind::of(status),
        status,
        message: shown(status, body).into(),
        code: None,
        param: None,
        retry_after: None,
        request_id: None,
    }
}

/// Reads the document of an error; one in a stream has no status of its own.
pub(super) fn read_document(raw: Raw<'_>, status: Option<StatusCode>) -> Option<Trouble<'_>> {
    let document = members(raw);
    let error = members(field(&document, "error")?);
    let message = field(&error, "message").and_then(Text::of)?;
    let word = field(&error, "type").and_then(Text::of);
    let known = word.as_ref().and_then(|word| {
        let mut types = TYPES.iter();
        types.find(|(name, _, _)| word.is(name))
    });
    let told = known.and_then(|(_, _, status)| StatusCode::from_u16(*status).ok());
    let status = status.or(told).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut kind = known.map_or_else(|| TroubleKind::of(status), |(_, kind, _)| *kind);
    let plain = message.plain();
    if kind == TroubleKind::InvalidRequest && TOO_LONG.iter().any(|words| plain.contains(words)) {
        kind = TroubleKind::ContextLength;
    }
    let details = field(&error, "details").map(members);
    let code = details.and_then(|details| {
        field(&details, "error_code")
            .or_else(|| field(&details, "code"))
            .and_then(Text::of)
    });
    drop(plain);
    Some(Trouble {
        kind,
        status,
        message,
        code: code.or(word),
        param: None,
        retry_after: None,
        request_id: field(&document, "request_id").and_then(Text::of),
    })
}

/// What is shown of a body that is no error of this dialect.
fn shown(status: StatusCode, body: &[u8]) -> String {
    let words = match String::from_utf8_lossy(&body[..body.len().min(SHOWN)]) {
        Cow::Borrowed(words) => words.trim().to_owned(),
        Cow::Owned(words) => words.trim_end_matches('\u{fffd}').trim().to_owned(),
    };
    if words.is_empty() {
        status
            .canonical_reason()
            .unwrap_or("no reason was given")
            .to_owned()
    } else {
        words
    }
}

/// Writes an error reply.
pub(super) fn write(trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut body = Vec::with_capacity(256);
    write_document(trouble, &mut body);
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

/// Writes the document of an error.
pub(super) fn write_document(trouble: &Trouble<'_>, out: &mut Vec<u8>) {
    let word = word(trouble.kind);
    object(out, |o| {
        o.str("type", "error");
        o.object("error", |o| {
            o.str("type", word);
            o.text("message", &trouble.message);
            if let Some(code) = trouble.code.as_ref().filter(|code| !code.is(word)) {
                o.object("details", |o| o.text("error_code", code));
            }
        });
        o.maybe_text("request_id", trouble.request_id.as_ref());
    });
}

fn word(kind: TroubleKind) -> &'static str {
    let kind = match kind {
        TroubleKind::ContentFilter | TroubleKind::ContextLength => TroubleKind::InvalidRequest,
        kind => kind,
    };
    let known = TYPES.iter().find(|(_, known, _)| *known == kind);
    known.map_or("api_error", |(word, _, _)| word)
}
