//! Route stretch: a header a route asks for.

use std::fmt;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};

use super::error::MatchError;
use super::value::ValueMatch;

/// A header a request must have, and what its value must be.
///
/// The name matches in any case, the value byte by byte. A header sent several times has one
/// value, its lines joined with `", "` (RFC 9110 §5.3), for `cookie` with `"; "` (RFC 9113
/// §8.2.3): `x: a` sent twice is `a, a`, and not `a`.
///
/// Implements `HTTPHeaderMatch` of the Gateway API.
///
/// ```
/// use http::HeaderMap;
/// use portcullis_core::route::HeaderMatch;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-tier", "gold".parse()?);
/// assert!(HeaderMatch::exact("X-Tier", "gold")?.is_match(&headers));
/// assert!(!HeaderMatch::regex("x-tier", "g.l")?.is_match(&headers));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    name: HeaderName,
    value: ValueMatch,
}

impl HeaderMatch {
    /// Asks for exactly this value.
    ///
    /// # Errors
    ///
    /// [`MatchError::HeaderName`] if the name is no token, [`MatchError::TooLong`] if the value is
    /// longer than 4096 bytes.
    pub fn exact(name: &str, value: &str) -> Result<Self, MatchError> {
        Ok(Self {
            name: header_name(name)?,
            value: ValueMatch::exact(value)?,
        })
    }

    /// Asks for a value the expression matches as a whole, in the syntax of the `regex` crate.
    ///
    /// # Errors
    ///
    /// As [`exact`](Self::exact), and [`MatchError::Pattern`] if the expression does not compile,
    /// or compiles to more than a mebibyte.
    pub fn regex(name: &str, pattern: &str) -> Result<Self, MatchError> {
        Ok(Self {
            name: header_name(name)?,
            value: ValueMatch::regex(pattern)?,
        })
    }

    /// The header's name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether `headers` have it, with a value that matches.
    pub fn is_match(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers
            .get_all(&self.name)
            .iter()
            .map(|line| line.as_bytes());
        let Some(first) = lines.next() else {
            return false;
        };
        let between: &[u8] = if self.name == COOKIE { b"; " } else { b", " };
        let more = lines.flat_map(|line| between.iter().chain(line));
        self.value.is_match(first.iter().chain(more).copied())
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

fn header_name(name: &str) -> Result<HeaderName, MatchError> {
    name.parse()
        .map_err(|_| MatchError::HeaderName { name: name.into() })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        lines.collect()
    }

    #[test]
    fn an_absent_header_matches_nothing() {
        assert!(
            !HeaderMatch::exact("a", "")
                .unwrap()
                .is_match(&headers(&[("b", "")]))
        );
        assert!(
            !HeaderMatch::regex("a", ".*")
                .unwrap()
                .is_match(&headers(&[("b", "")]))
        );
    }

    #[test]
    fn repeated_lines_are_one_value() {
        let twice = headers(&[("a", "x"), ("a", "y"), ("cookie", "k=1"), ("cookie", "l=2")]);
        assert!(!HeaderMatch::exact("a", "x").unwrap().is_match(&twice));
        assert!(HeaderMatch::exact("a", "x, y").unwrap().is_match(&twice));
        assert!(HeaderMatch::regex("a", "x, .").unwrap().is_match(&twice));
        assert!(
            HeaderMatch::exact("cookie", "k=1; l=2")
                .unwrap()
                .is_match(&twice)
        );
    }

    #[test]
    fn a_value_is_compared_to_its_end() {
        let one = headers(&[("a", "xy")]);
        assert!(!HeaderMatch::exact("a", "x").unwrap().is_match(&one));
        assert!(!HeaderMatch::exact("a", "xyz").unwrap().is_match(&one));
        assert!(!HeaderMatch::exact("a", "XY").unwrap().is_match(&one));
    }

    #[test]
    fn names_that_are_no_token_are_refused() {
        assert!(HeaderMatch::exact("a b", "x").is_err());
        assert!(HeaderMatch::exact(":path", "x").is_err());
    }
}
