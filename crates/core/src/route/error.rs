//! Route stretch: what makes a match unusable, told when the table's parts are built.

/// Why a [`HostMatch`](super::HostMatch), [`PathMatch`](super::PathMatch),
/// [`HeaderMatch`](super::HeaderMatch) or [`QueryMatch`](super::QueryMatch) was refused.
///
/// Raised while configuration is read, never while a request is matched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MatchError {
    /// The host is neither a DNS name nor `*.` before one.
    #[error("host `{host}` {why}")]
    Host {
        /// The host as written.
        host: Box<str>,
        /// What is wrong with it, as the rest of a sentence.
        why: &'static str,
    },
    /// The exact path or prefix is not an absolute, unambiguous path.
    #[error("path `{path}` {why}")]
    Path {
        /// The path as written.
        path: Box<str>,
        /// What is wrong with it, as the rest of a sentence.
        why: &'static str,
    },
    /// The regular expression does not compile, or compiles to more than the allowed size.
    #[error("`{pattern}` is not a usable regular expression")]
    Pattern {
        /// The expression as written.
        pattern: Box<str>,
        /// What the compiler of expressions said.
        source: regex::Error,
    },
    /// The header name is not an HTTP token (RFC 9110 §5.6.2).
    #[error("`{name}` is not a header name")]
    HeaderName {
        /// The name as written.
        name: Box<str>,
    },
    /// The query parameter to look for has no name.
    #[error("a query parameter needs a name")]
    QueryName,
    /// A value or an expression is longer than the bound.
    #[error("a value of {length} bytes is longer than the {max} allowed")]
    TooLong {
        /// How long it is, in bytes.
        length: usize,
        /// How long it may be.
        max: usize,
    },
}

/// Fails if `value` is longer than `max` bytes.
pub(super) fn bounded(value: &str, max: usize) -> Result<&str, MatchError> {
    match value.len() {
        length if length > max => Err(MatchError::TooLong { length, max }),
        _ => Ok(value),
    }
}
