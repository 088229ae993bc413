//! Encode: errors of a provider, read and written.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use portcullis_core::json::Raw;

use super::error::delay;
use super::key::get;
use crate::translate::write::{Array, Object, object};
use crate::translate::{Text, Trouble, TroubleKind};

/// Reads an error reply: an object, or where a stream was asked for an array of one.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Trouble<'_> {
    let document = Raw::parse(body).ok();
    let first = document.and_then(|document| document.elements().next()?.ok());
    let error = first.or(document).and_then(|one| get(one, "error"));
    match error {
        Some(error) => of(status, error),
        None => {
            let words = String::from_utf8_lossy(body.get(..512).unwrap_or(body));
            let message = match words.trim() {
                "" => status.canonical_reason().unwrap_or("error").to_owned(),
                words => words.to_owned(),
            };
            plain(TroubleKind::of(status), status, message.into())
        }
    }
}

/// Reads what stands under `error`; in a stream it says itself which status it would have come with.
pub(super) fn of(status: StatusCode, error: Raw<'_>) -> Trouble<'_> {
    let said = get(error, "code").and_then(Raw::as_u64);
    let said = said.and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let status = match said {
        Some(said) if status.is_success() && said.as_u16() >= 400 => said,
        _ if status.is_success() => StatusCode::INTERNAL_SERVER_ERROR,
        _ => status,
    };
    let message = get(error, "message").and_then(Text::of);
    let word = get(error, "status").and_then(Text::of);
    let mut trouble = plain(
        TroubleKind::of(status),
        status,
        message.unwrap_or_else(|| "error".into()),
    );
    if let Some(word) = &word {
        trouble.kind = kind(&word.plain(), &trouble.message.plain(), trouble.kind);
    }
    trouble.code = word;
    for detail in get(error, "details")
        .into_iter()
        .flat_map(Raw::elements)
        .flatten()
    {
        let kind = detail
            .get("@type")
            .and_then(Raw::as_str)
            .unwrap_or_default();
        if kind.ends_with("google.rpc.RetryInfo") {
            let after = get(detail, "retryDelay").and_then(Raw::as_str);
            trouble.retry_after = after.and_then(|after| seconds(&after));
        } else if kind.ends_with("google.rpc.BadRequest") {
            let list = get(detail, "fieldViolations");
            let first = list.and_then(|list| list.elements().next()?.ok());
            trouble.param = first.and_then(|one| get(one, "field")).and_then(Text::of);
        } else if kind.ends_with("google.rpc.ErrorInfo") {
            let reason = get(detail, "reason").and_then(Raw::as_str);
            if matches!(
                reason.as_deref(),
                Some("API_KEY_INVALID" | "API_KEY_EXPIRED")
            ) {
                trouble.kind = TroubleKind::Authentication;
            }
        }
    }
    trouble
}

fn plain(kind: TroubleKind, status: StatusCode, message: Text<'_>) -> Trouble<'_> {
    Trouble {
        kind,
        status,
        message,
        code: None,
        param: None,
        retry_after: None,
        request_id: None,
    }
}

fn kind(word: &str, message: &str, otherwise: TroubleKind) -> TroubleKind {
    match word {
        "INVALID_ARGUMENT" if message.contains("token count") && message.contains("exceeds") => {
            TroubleKind::ContextLength
        }
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => TroubleKind::InvalidRequest,
        "UNAUTHENTICATED" => TroubleKind::Authentication,
        "PERMISSION_DENIED" => TroubleKind::Permission,
        "NOT_FOUND" => TroubleKind::NotFound,
        "RESOURCE_EXHAUSTED" => TroubleKind::RateLimit,
        "DEADLINE_EXCEEDED" => TroubleKind::Timeout,
        "UNAVAILABLE" => TroubleKind::Overloaded,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => TroubleKind::Server,
        _ => otherwise,
    }
}

/// A duration as protocol buffers write it: `34.074s`.
fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}

/// Writes an error reply.
pub(super) fn write(trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Bytes) {
    let mut out = Vec::with_capacity(256);
    document(&mut out, trouble);
    (trouble.status, HeaderMap::new(), out.into())
}

/// Writes the document of an error.
pub(super) fn document(out: &mut Vec<u8>, trouble: &Trouble<'_>) {
    object(out, |o| {
        o.object("error", |o| {
            o.u64("code", trouble.status.as_u16().into());
            o.text("message", &trouble.message);
            o.str("status", word(trouble.kind));
            o.array("details", |a| details(a, trouble));
        });
    });
}

fn details(a: &mut Array<'_>, trouble: &Trouble<'_>) {
    let mut detail = |kind: &str, write: &dyn Fn(&mut Object<'_>)| {
        a.object(|o| {
            o.str("@type", &format!("type.googleapis.com/google.rpc.{kind}"));
            write(o);
        });
    };
    if let Some(code) = &trouble.code {
        detail("ErrorInfo", &|o| o.text("reason", code));
    }
    if let Some(param) = &trouble.param {
        detail("BadRequest", &|o| {
            o.array("fieldViolations", |a| {
                a.object(|o| {
                    o.text("field", param);
                    o.text("description", &trouble.message);
                });
            });
        });
    }
    if let Some(after) = trouble.retry_after {
        detail("RetryInfo", &|o| o.str("retryDelay", &delay(after)));
    }
    if let Some(id) = &trouble.request_id {
        detail("RequestInfo", &|o| o.text("requestId", id));
    }
}

fn word(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::InvalidRequest
        | TroubleKind::TooLarge
        | TroubleKind::ContentFilter
        | TroubleKind::ContextLength => "INVALID_ARGUMENT",
        TroubleKind::Authentication => "UNAUTHENTICATED",
        TroubleKind::Billing => "FAILED_PRECONDITION",
        TroubleKind::Permission => "PERMISSION_DENIED",
        TroubleKind::NotFound => "NOT_FOUND",
        TroubleKind::RateLimit => "RESOURCE_EXHAUSTED",
        TroubleKind::Timeout => "DEADLINE_EXCEEDED",
        TroubleKind::Overloaded => "UNAVAILABLE",
        TroubleKind::Server => "INTERNAL",
    }
}
