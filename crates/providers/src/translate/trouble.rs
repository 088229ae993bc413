//! Encode: an error an upstream replied with, in no dialect's own form.

use std::time::Duration;

use http::StatusCode;

use super::Text;

/// What kind of trouble an upstream told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// The request cannot be served as it stands.
    InvalidRequest,
    /// The credential is not accepted.
    Authentication,
    /// The account cannot pay.
    Billing,
    /// The credential may not do this.
    Permission,
    /// There is no such model or object.
    NotFound,
    /// The request is larger than allowed.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// The provider withheld the answer, or would not look at the question.
    ContentFilter,
    /// The conversation is longer than the model's window.
    ContextLength,
    /// The provider took too long.
    Timeout,
    /// The provider has too much to do.
    Overloaded,
    /// The provider failed.
    Server,
}

impl TroubleKind {
    /// What a status alone says.
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..500 => Self::InvalidRequest,
            _ => Self::Server,
        }
    }
}

/// An error an upstream replied with, or sent in a stream.
#[derive(Clone, Debug)]
pub struct Trouble<'a> {
    /// What kind it is.
    pub kind: TroubleKind,
    /// The status it came with; in a stream, the one it would have come with.
    pub status: StatusCode,
    /// The provider's words.
    pub message: Text<'a>,
    /// The provider's own code for it.
    pub code: Option<Text<'a>>,
    /// The field at fault.
    pub param: Option<Text<'a>>,
    /// When it is worth trying again, where the body says so. Headers go on by themselves.
    pub retry_after: Option<Duration>,
    /// The provider's id of the request.
    pub request_id: Option<Text<'a>>,
}
