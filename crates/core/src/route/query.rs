//! Route stretch: a query parameter a route asks for.

use std::fmt;

use super::error::MatchError;
use super::reading::escaped;
use super::value::ValueMatch;

/// A query parameter a request must have, and what its value must be.
///
/// Names and values match byte by byte after decoding as forms do: `%20` and `+` are a space, an
/// escape that is none stands for itself. Of a parameter sent several times the first counts.
/// `?a` and `?a=` both give `a` the empty value.
///
/// Implements `HTTPQueryParamMatch` of the Gateway API.
///
/// ```
/// use portcullis_core::route::QueryMatch;
///
/// let alt = QueryMatch::exact("alt", "sse")?;
/// assert!(alt.is_match("key=1&alt=%73se&alt=json"));
/// assert!(!alt.is_match("alt=json&alt=sse"));
/// # Ok::<(), portcullis_core::route::MatchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    name: Box<str>,
    value: ValueMatch,
}

impl QueryMatch {
    /// Asks for exactly this value, both given decoded.
    ///
    /// # Errors
    ///
    /// [`MatchError::QueryName`] if the name is empty, [`MatchError::TooLong`] if the value is
    /// longer than 4096 bytes.
    pub fn exact(name: &str, value: &str) -> Result<Self, MatchError> {
        Ok(Self {
            name: query_name(name)?,
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
            name: query_name(name)?,
            value: ValueMatch::regex(pattern)?,
        })
    }

    /// The parameter's name, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `query`, without its `?`, has it with a value that matches.
    pub fn is_match(&self, query: &str) -> bool {
        let mut pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.find(|(name, _)| decoded(name).eq(self.name.bytes()));
        named.is_some_and(|(_, value)| self.value.is_match(decoded(value)))
    }
}

impl fmt::Display for QueryMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

fn query_name(name: &str) -> Result<Box<str>, MatchError> {
    if name.is_empty() {
        Err(MatchError::QueryName)
    } else {
        Ok(name.into())
    }
}

/// The bytes `text` stands for in a form (WHATWG URL, `application/x-www-form-urlencoded`).
fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (byte, width) = match *rest {
            [] => return None,
            [b'+', ..] => (b' ', 1),
            [b'%', high, low, ..] => escaped(high, low).map_or((b'%', 1), |b| (b, 3)),
            [b, ..] => (b, 1),
        };
        rest = &rest[width..];
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts() {
        let a = QueryMatch::exact("a b", "x&y").unwrap();
        assert!(a.is_match("z=1&a+b=x%26y&a%20b=z"));
        assert!(!a.is_match("a%20b=z&a+b=x%26y"));
    }

    #[test]
    fn a_name_alone_has_the_empty_value() {
        let a = QueryMatch::exact("a", "").unwrap();
        assert!(a.is_match("a") && a.is_match("a=") && a.is_match("b&a"));
        assert!(!a.is_match("") && !a.is_match("b") && !a.is_match("a=b"));
    }

    #[test]
    fn escapes_that_are_none_stand_for_themselves() {
        assert!(QueryMatch::exact("a", "%zz%2").unwrap().is_match("a=%zz%2"));
    }

    #[test]
    fn expressions_see_the_decoded_value() {
        let a = QueryMatch::regex("a", "[é ]+").unwrap();
        assert!(a.is_match("a=%C3%A9+"));
        assert!(!a.is_match("a=%C3") && !a.is_match("b=%20"));
    }

    #[test]
    fn a_parameter_needs_a_name() {
        assert!(matches!(
            QueryMatch::exact("", "x"),
            Err(MatchError::QueryName)
        ));
    }
}
