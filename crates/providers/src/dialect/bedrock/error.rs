//! Errors as Bedrock writes them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::error::{Error, Kind};
use portcullis_core::respond::Render;

use super::{EVENT_STREAM, frames};
use crate::translate::write::object;

/// The header that names an error.
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// `{"message"}` with the error's name in `x-amzn-ErrorType`; inside a stream as a message of type `exception`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderBedrock;

impl Render for RenderBedrock {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        (
            document(error.message()).into(),
            HeaderValue::from_static("application/json"),
        )
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        let mut out = Vec::new();
        let name = in_stream(exception(error.code().kind));
        frames::write_exception(name, document(error.message()), &mut out);
        Some(out.into())
    }

    fn is_stream(&self, content_type: &[u8]) -> bool {
        is_event_stream(content_type)
    }

    fn headers(&self, error: &Error, headers: &mut HeaderMap) {
        let name = exception(error.code().kind);
        headers.insert(ERROR_TYPE, HeaderValue::from_static(name));
    }
}

/// Whether a content type is that of AWS's event streams.
pub(super) fn is_event_stream(content_type: &[u8]) -> bool {
    let kind = content_type.get(..EVENT_STREAM.len());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()))
}

/// `{"message"}`.
pub(super) fn document(message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    object(&mut body, |o| o.str("message", message));
    body
}

/// The name an error has inside of a stream, where there are fewer.
pub(super) fn in_stream(name: &'static str) -> &'static str {
    match name {
        "ThrottlingException" => "throttlingException",
        "ServiceUnavailableException" => "serviceUnavailableException",
        "InternalServerException" => "internalServerException",
        "ModelTimeoutException" | "ModelErrorException" => "modelStreamErrorException",
        _ => "validationException",
    }
}

fn exception(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge => "ValidationException",
        Kind::Authentication => "UnrecognizedClientException",
        Kind::Permission => "AccessDeniedException",
        Kind::NotFound => "ResourceNotFoundException",
        Kind::RateLimit => "ThrottlingException",
        Kind::Timeout => "ModelTimeoutException",
        Kind::Upstream => "ModelErrorException",
        Kind::Unavailable => "ServiceUnavailableException",
        _ => "InternalServerException",
    }
}
