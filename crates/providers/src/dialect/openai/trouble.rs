//! Encode: errors of OpenAI's API, and of the hosts that speak like it, to and from the neutral form.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::json::{Kind, Raw};

use crate::translate::write::{Object, object};
use crate::translate::{Text, Trouble, TroubleKind};

/// The most bytes shown of a body that is no error of the dialect's.
const SHOWN: usize = 1024;

/// Reads an error reply: `{"error": {…}}`, and the shorter forms of other hosts (`{"error": "…"}`,
/// `{"message": "…"}`, `{"detail": "…"}`). Of anything else the first bytes are the message.
pub(super) fn read<'a>(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Trouble<'a> {
    let mut trouble = match Raw::parse(body) {
        Ok(document) if document.kind() == Kind::Object => {
            let error = document.get("error").filter(|error| !error.is_null());
            of_error(status, error.unwrap_or(document))
        }
        _ => plain(status, body),
    };
    let id = ["x-request-id", "apim-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok());
    trouble.request_id = id.map(Text::from);
    trouble
}

/// Reads an `error` member: an object, or a message alone.
pub(super) fn of_error(status: StatusCode, error: Raw<'_>) -> Trouble<'_> {
    if let Some(message) = Text::of(error) {
        return Trouble {
            message,
            ..plain(status, b"")
        };
    }
    let (mut message, mut code, mut kind, mut param) = (None, None, None, None);
    for member in error.members().map_while(Result::ok) {
        let value = member.value;
        if member.key == "message" || member.key == "detail" {
            message = message.or(Text::of(value));
        } else if member.key == "code" && !value.is_null() {
            code = Text::of(value).or_else(|| Some(words(value)));
        } else if member.key == "type" {
            kind = Text::of(value);
        } else if member.key == "param" {
            param = Text::of(value);
        }
    }
    Trouble {
        kind: kind_of(status, code.as_ref(), kind.as_ref()),
        status,
        message: message.unwrap_or_else(|| words(error)),
        code: code.or(kind),
        param,
        retry_after: None,
        request_id: None,
    }
}

/// The status an error in a stream would have come with.
pub(super) fn status_of(error: Raw<'_>) -> StatusCode {
    let number = error.get("code").and_then(Raw::as_u64);
    let told = number
        .or_else(|| error.get("status").and_then(Raw::as_u64))
        .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
        .filter(|status| status.is_client_error() || status.is_server_error());
    if let Some(status) = told {
        return status;
    }
    let is = |key, word: &str| {
        let text = error.get(key).and_then(Text::of);
        text.is_some_and(|text| text.is(word))
    };
    let any = |word: &str| is("type", word) || is("code", word);
    if any("rate_limit_exceeded") || any("rate_limit_error") || any("insufficient_quota") {
        StatusCode::TOO_MANY_REQUESTS
    } else if any("invalid_request_error") || any("context_length_exceeded") {
        StatusCode::BAD_REQUEST
    } else if any("overloaded_error") || any("server_overloaded") {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn kind_of(status: StatusCode, code: Option<&Text<'_>>, kind: Option<&Text<'_>>) -> TroubleKind {
    const KNOWN: [(&str, TroubleKind); 12] = [
        ("context_length_exceeded", TroubleKind::ContextLength),
        ("content_filter", TroubleKind::ContentFilter),
        ("content_policy_violation", TroubleKind::ContentFilter),
        ("insufficient_quota", TroubleKind::Billing),
        ("model_not_found", TroubleKind::NotFound),
        ("rate_limit_exceeded", TroubleKind::RateLimit),
        ("rate_limit_error", TroubleKind::RateLimit),
        ("authentication_error", TroubleKind::Authentication),
        ("permission_error", TroubleKind::Permission),
        ("timeout_error", TroubleKind::Timeout),
        ("overloaded_error", TroubleKind::Overloaded),
        ("server_overloaded", TroubleKind::Overloaded),
    ];
    let known = [code, kind].into_iter().flatten().find_map(|text| {
        let found = KNOWN.iter().find(|(word, _)| text.is(word));
        found.map(|(_, kind)| *kind)
    });
    known.unwrap_or_else(|| TroubleKind::of(status))
}

/// What is no error of the dialect's, told by its status.
fn plain(status: StatusCode, body: &[u8]) -> Trouble<'_> {
    let shown = body[..body.len().min(SHOWN)].trim_ascii();
    let text = String::from_utf8_lossy(shown);
    let reason = status.canonical_reason().unwrap_or("the upstream failed");
    Trouble {
        kind: TroubleKind::of(status),
        status,
        message: if text.is_empty() {
            reason.into()
        } else {
            Text::Plain(text)
        },
        code: None,
        param: None,
        retry_after: None,
        request_id: None,
    }
}

/// A value as words.
fn words(value: Raw<'_>) -> Text<'_> {
    let shown = &value.bytes()[..value.bytes().len().min(SHOWN)];
    Text::Plain(String::from_utf8_lossy(shown))
}

/// Writes an error reply. The status stays; SDKs obey `retry-after` and show `x-request-id`.
pub(super) fn write(trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    if let Some(after) = trouble.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let id = trouble.request_id.as_ref();
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id.plain()).ok()) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    let mut body = Vec::with_capacity(256);
    object(&mut body, |o| o.object("error", |o| error(o, trouble)));
    (trouble.status, headers, body.into())
}

/// Writes the members of an `error` object.
pub(super) fn error(o: &mut Object<'_>, trouble: &Trouble<'_>) {
    o.text("message", &trouble.message);
    o.str("type", type_of(trouble.kind));
    match &trouble.param {
        Some(param) => o.text("param", param),
        None => o.null("param"),
    }
    match code(trouble) {
        Some(code) => o.text("code", &code),
        None => o.null("code"),
    }
}

/// The code of an error: OpenAI's own for what clients look for, else as the provider says.
pub(super) fn code<'a>(trouble: &Trouble<'a>) -> Option<Text<'a>> {
    match trouble.kind {
        TroubleKind::ContextLength => Some("context_length_exceeded".into()),
        TroubleKind::ContentFilter => Some("content_filter".into()),
        _ => trouble.code.clone(),
    }
}

fn type_of(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::InvalidRequest
        | TroubleKind::NotFound
        | TroubleKind::TooLarge
        | TroubleKind::ContentFilter
        | TroubleKind::ContextLength => "invalid_request_error",
        TroubleKind::Authentication => "authentication_error",
        TroubleKind::Permission => "permission_error",
        TroubleKind::Billing => "insufficient_quota",
        TroubleKind::RateLimit => "rate_limit_error",
        TroubleKind::Timeout => "timeout_error",
        TroubleKind::Overloaded | TroubleKind::Server => "server_error",
    }
}

/// Whether a header of a request means something to OpenAI alone: its own, and what its SDK tells of itself.
pub(super) fn owns_header(name: &HeaderName) -> bool {
    name.as_str().starts_with("openai-") || name.as_str().starts_with("x-stainless-")
}
