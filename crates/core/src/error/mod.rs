//! What the gateway itself decided or could not do. What an upstream said is never an [`Error`].
//!
//! Every error has a [`Code`]: a stable name, an HTTP status, a [`Kind`] that dialects map to their own
//! error types, and whose fault it is. The codes are listed, with what to do about each, in
//! `docs/errors.md`, which is generated from the tables here and beside each policy.

mod code;

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

pub use code::{Code, Fault, Kind, codes, document};

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A failure of the gateway's own making, fit to be shown to the caller once rendered.
///
/// `Display` is the words for the caller; what caused it is in `source()` and goes to the log only.
pub struct Error(Box<Inner>);

struct Inner {
    code: &'static Code,
    message: Cow<'static, str>,
    param: Option<Box<str>>,
    retry_after: Option<Duration>,
    begun: bool,
    headers: HeaderMap,
    source: Option<BoxError>,
}

impl Error {
    /// An error of this code. The message is read by the caller: say what to change, reveal nothing inside.
    pub fn new(code: &'static Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            param: None,
            retry_after: None,
            begun: false,
            headers: HeaderMap::new(),
            source: None,
        }))
    }

    /// Adds the cause, which is logged and never shown to the caller.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the field of the request that is at fault.
    #[must_use]
    pub fn param(mut self, param: &str) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Says when it is worth trying again; rendered as `retry-after`, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Says that the upstream had begun to answer with success: what it was sent has been used.
    #[must_use]
    pub fn begun(mut self) -> Self {
        self.0.begun = true;
        self
    }

    /// Whether the upstream had begun to answer with success.
    pub fn has_begun(&self) -> bool {
        self.0.begun
    }

    /// Adds a header to the rendered reply, `www-authenticate` for one.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Takes `source` back if it is an [`Error`], at any depth of boxing; otherwise it becomes the cause of
    /// a new one with this code, in that code's own words.
    pub fn from_boxed(source: BoxError, code: &'static Code) -> Self {
        match source.downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => Self::new(code, code.about).because(source),
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static Code {
        self.0.code
    }

    /// The HTTP status it is rendered with.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The words for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field of the request at fault, if one is.
    pub fn at_param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// When it is worth trying again, if that is known.
    pub fn after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The words with those of every cause, for the log.
    pub fn chain(&self) -> String {
        let mut words = self.to_string();
        let mut cause = self.source();
        while let Some(e) = cause {
            words.push_str(": ");
            words.push_str(&e.to_string());
            cause = e.source();
        }
        words
    }

    /// Headers that belong on the rendered reply.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

/// What cannot fail fits under any layer whose errors are [`Error`]s.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code.name)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_error_survives_boxing_with_its_code() {
        let own: BoxError = Box::new(Error::new(&codes::BODY_TOO_LARGE, "too big"));
        assert_eq!(
            Error::from_boxed(own, &codes::BODY_BROKEN).code(),
            &codes::BODY_TOO_LARGE
        );
    }

    #[test]
    fn a_foreign_error_is_the_cause_and_not_the_message() {
        let e = Error::from_boxed("secret detail".into(), &codes::BODY_BROKEN);
        assert!(!e.to_string().contains("secret"));
        assert_eq!(e.source().unwrap().to_string(), "secret detail");
    }
}
