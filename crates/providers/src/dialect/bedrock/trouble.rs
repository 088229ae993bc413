//! Encode: errors of Bedrock's, in whole replies and in streams.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::json::{Members, Raw};

use super::error::{ERROR_TYPE, in_stream};
use super::frames;
use crate::translate::write::object;
use crate::translate::{Text, Trouble, TroubleKind};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Reads an error reply: its name is in a header, its words are in the body.
pub(super) fn read<'a>(status: StatusCode, headers: &'a HeaderMap, body: &'a [u8]) -> Trouble<'a> {
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (message, named) = words(body);
    let named = named.as_ref().map(Text::plain);
    // The header may say `Name:http://…`, the body `com.amazon…#Name`.
    let name = header(ERROR_TYPE).or(named.as_deref()).map(|name| {
        let name = name.split(':').next().unwrap_or_default();
        name.rsplit('#').next().unwrap_or_default().to_owned()
    });
    let message = message.unwrap_or_else(|| {
        let reason = status.canonical_reason().unwrap_or("the upstream failed");
        Text::from(reason)
    });
    Trouble {
        kind: kind(name.as_deref().unwrap_or_default(), status, &message),
        status,
        message,
        code: name.map(Text::from),
        param: None,
        retry_after: None,
        request_id: header(REQUEST_ID).map(Text::from),
    }
}

/// Reads the exception a stream ends with.
pub(super) fn read_event<'a>(name: &str, data: &'a [u8]) -> Trouble<'a> {
    let status = match name {
        "throttlingException" => StatusCode::TOO_MANY_REQUESTS,
        "validationException" => StatusCode::BAD_REQUEST,
        "serviceUnavailableException" => StatusCode::SERVICE_UNAVAILABLE,
        "modelStreamErrorException" => StatusCode::FAILED_DEPENDENCY,
        "modelTimeoutException" => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let message = words(data).0.unwrap_or_else(|| {
        // An error without a document has its words in a header, which is what stands here then.
        Text::from(String::from_utf8_lossy(data).into_owned())
    });
    let upper = name.get(..1).unwrap_or_default().to_ascii_uppercase();
    let name = format!("{upper}{}", name.get(1..).unwrap_or_default());
    Trouble {
        kind: kind(&name, status, &message),
        status,
        message,
        code: Some(Text::from(name)),
        param: None,
        retry_after: None,
        request_id: None,
    }
}

/// Writes an error reply.
pub(super) fn write(trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(ERROR_TYPE, HeaderValue::from_static(name(trouble.kind)));
    let id = trouble.request_id.as_ref().map(Text::plain);
    if let Some(id) = id.and_then(|id| HeaderValue::from_str(&id).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    let status = match trouble.status.as_u16() {
        // No SDK of AWS's knows it.
        529 => StatusCode::SERVICE_UNAVAILABLE,
        _ => trouble.status,
    };
    (status, headers, document(trouble).into())
}

/// Writes the exception a stream ends with.
pub(super) fn write_event(trouble: &Trouble<'_>, out: &mut Vec<u8>) {
    frames::write_exception(in_stream(name(trouble.kind)), document(trouble), out);
}

fn document(trouble: &Trouble<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    object(&mut body, |o| o.text("message", &trouble.message));
    body
}

/// `message`, by either of its spellings, and `__type`.
fn words(body: &[u8]) -> (Option<Text<'_>>, Option<Text<'_>>) {
    let (mut message, mut named) = (None, None);
    if Raw::parse(body).is_ok() {
        for member in Members::of_document(body).filter_map(Result::ok) {
            if member.key == "message" || member.key == "Message" {
                message = Text::of(member.value).or(message);
            } else if member.key == "__type" || member.key == "code" {
                named = Text::of(member.value).or(named);
            }
        }
    }
    (message, named)
}

fn kind(name: &str, status: StatusCode, message: &Text<'_>) -> TroubleKind {
    match name {
        "AccessDeniedException" => TroubleKind::Permission,
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException" => TroubleKind::Authentication,
        "ThrottlingException" | "ServiceQuotaExceededException" => TroubleKind::RateLimit,
        "ModelNotReadyException" | "ServiceUnavailableException" => TroubleKind::Overloaded,
        "ResourceNotFoundException" => TroubleKind::NotFound,
        "ModelTimeoutException" => TroubleKind::Timeout,
        "ModelErrorException" | "ModelStreamErrorException" | "InternalServerException" => {
            TroubleKind::Server
        }
        "ValidationException" if is_too_long(&message.plain()) => TroubleKind::ContextLength,
        "ValidationException" => TroubleKind::InvalidRequest,
        _ => TroubleKind::of(status),
    }
}

/// Bedrock has no name for a conversation that does not fit the window; it says so in words.
fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "input is too long",
        "prompt is too long",
        "too many input tokens",
        "maximum context length",
    ]
    .iter()
    .any(|words| message.contains(words))
}

fn name(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::InvalidRequest
        | TroubleKind::TooLarge
        | TroubleKind::ContentFilter
        | TroubleKind::ContextLength => "ValidationException",
        TroubleKind::Authentication => "UnrecognizedClientException",
        TroubleKind::Billing | TroubleKind::Permission => "AccessDeniedException",
        TroubleKind::NotFound => "ResourceNotFoundException",
        TroubleKind::RateLimit => "ThrottlingException",
        TroubleKind::Timeout => "ModelTimeoutException",
        TroubleKind::Overloaded => "ServiceUnavailableException",
        TroubleKind::Server => "InternalServerException",
    }
}
