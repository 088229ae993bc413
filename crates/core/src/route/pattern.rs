//! Route stretch: a regular expression that must match the whole of a value.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use super::error::{MatchError, bounded};

/// The compiled size an expression may reach: room for a few Unicode classes, not for `\w{1000}`.
const COMPILED: usize = 1 << 20;
/// The memory one thread may spend on caching states while it matches.
const CACHE: usize = 1 << 20;

/// A regular expression matched against a whole value, in time linear in the value.
///
/// Two patterns are equal if they are written the same.
#[derive(Clone)]
pub(super) struct Pattern {
    source: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles `source`, which may be at most `max` bytes long.
    pub(super) fn new(source: &str, max: usize) -> Result<Self, MatchError> {
        bounded(source, max)?;
        // Alone first: `a)|(b` would pass once it stands in a group.
        let whole = compile(source).and_then(|_| compile(&format!(r"\A(?:{source})\z")));
        match whole {
            Ok(regex) => Ok(Self {
                source: source.into(),
                regex,
            }),
            Err(error) => Err(MatchError::Pattern {
                pattern: source.into(),
                source: error,
            }),
        }
    }

    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

fn compile(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source)
        .size_limit(COMPILED)
        .dfa_size_limit(CACHE)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> Pattern {
        Pattern::new(source, 100).unwrap()
    }

    #[test]
    fn the_whole_value_must_match() {
        assert!(pattern("a|ab").is_match(b"ab"));
        assert!(!pattern("a|ab").is_match(b"abc"));
        assert!(!pattern("a").is_match(b"a\n"));
        assert!(!pattern("(?m)^a$").is_match(b"a\nb"));
    }

    #[test]
    fn brackets_that_close_more_than_they_open_are_refused() {
        assert!(Pattern::new("a)|(b", 100).is_err());
    }

    #[test]
    fn expressions_that_compile_to_too_much_are_refused() {
        let error = Pattern::new(r"\w{1000}", 100).unwrap_err();
        assert!(matches!(error, MatchError::Pattern { .. }));
        assert!(matches!(
            Pattern::new("aaaa", 3),
            Err(MatchError::TooLong { length: 4, max: 3 })
        ));
    }
}
