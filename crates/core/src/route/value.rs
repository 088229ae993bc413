//! Route stretch: what the value of a header or a query parameter must be.

use std::fmt;

use super::error::{MatchError, bounded};
use super::pattern::Pattern;

/// The longest value or expression, in bytes.
const MAX_VALUE: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ValueMatch {
    Exact(Box<str>),
    Regex(Pattern),
}

impl ValueMatch {
    pub(super) fn exact(value: &str) -> Result<Self, MatchError> {
        Ok(Self::Exact(bounded(value, MAX_VALUE)?.into()))
    }

    pub(super) fn regex(pattern: &str) -> Result<Self, MatchError> {
        Ok(Self::Regex(Pattern::new(pattern, MAX_VALUE)?))
    }

    /// Whether the value these bytes make up is meant. Collects them for an expression only.
    pub(super) fn is_match(&self, mut value: impl Iterator<Item = u8>) -> bool {
        match self {
            Self::Exact(exact) => {
                exact.bytes().all(|b| value.next() == Some(b)) && value.next().is_none()
            }
            Self::Regex(pattern) => pattern.is_match(&value.collect::<Vec<u8>>()),
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(value) => write!(f, "exact {value}"),
            Self::Regex(pattern) => write!(f, "regex {}", pattern.as_str()),
        }
    }
}
