//! Upstream: a text as one segment of a path.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a segment of a path for itself (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text as one segment of a path: everything that is not a letter, a digit, or one of `-._~` is encoded.
pub fn segment(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, SEGMENT).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("a/b:c d\u{e9}"), "a%2Fb%3Ac%20d%C3%A9");
        assert_eq!(segment("gemini-2.5_pro~1"), "gemini-2.5_pro~1");
    }
}
