//! Decode and encode: the text of JSON strings.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr;

/// Decodes what is between the quotes of a string.
pub(super) fn decode(inner: &[u8]) -> Option<Cow<'_, str>> {
    let Some(first) = memchr(b'\\', inner) else {
        return str::from_utf8(inner).ok().map(Cow::Borrowed);
    };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut next = Some(first);
    while let Some(at) = next {
        text.push_str(str::from_utf8(&rest[..at]).ok()?);
        let (c, length) = escape(&rest[at..])?;
        text.push(c);
        rest = &rest[at + length..];
        next = memchr(b'\\', rest);
    }
    text.push_str(str::from_utf8(rest).ok()?);
    Some(Cow::Owned(text))
}

/// The character an escape stands for and the number of bytes it is written in.
fn escape(from: &[u8]) -> Option<(char, usize)> {
    let c = match from.get(1)? {
        b'u' => return unicode(from),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        c @ (b'"' | b'\\' | b'/') => char::from(*c),
        _ => return None,
    };
    Some((c, 2))
}

fn unicode(from: &[u8]) -> Option<(char, usize)> {
    let first = unit(from)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 6));
    }
    let second = unit(&from[6..])?;
    let c = char::decode_utf16([first, second]).next()?.ok()?;
    Some((c, 12))
}

/// The UTF-16 code unit of a `\uXXXX` at the start of `from`.
fn unit(from: &[u8]) -> Option<u16> {
    let digits = from.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

/// A text as a JSON string, quotes included. Only what must be escaped is.
///
/// ```
/// use portcullis_core::json::quote;
///
/// assert_eq!(quote("a \"b\"\n\u{1}"), r#""a \"b\"\n\u0001""#);
/// ```
pub fn quote(text: &str) -> Bytes {
    let mut json = Vec::with_capacity(text.len() + 2);
    json.push(b'"');
    let mut plain = 0;
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        json.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + 1;
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            b'\n' => json.extend_from_slice(b"\\n"),
            b'\r' => json.extend_from_slice(b"\\r"),
            b'\t' => json.extend_from_slice(b"\\t"),
            _ => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    json.extend_from_slice(&text.as_bytes()[plain..]);
    json.push(b'"');
    json.into()
}
