//! Encode: a text on its way from one document to another.

use std::borrow::Cow;

use portcullis_core::json::{Raw, quote};

/// A text: a JSON string as it was written, or plain.
///
/// Nearly every text of a call only moves. As it was written it moves by copying its bytes: no escape is
/// decoded, and half a surrogate pair stays what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// What is between the quotes of a JSON string, escapes as they are.
    Json(&'a [u8]),
    /// Plain text.
    Plain(Cow<'a, str>),
}

impl<'a> Text<'a> {
    /// The text of a JSON string; `None` for any other value.
    pub fn of(value: Raw<'a>) -> Option<Self> {
        value.str_bytes().map(Self::Json)
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Json(inner) => inner.is_empty(),
            Self::Plain(text) => text.is_empty(),
        }
    }

    /// Its length in bytes as it is written, escapes as such.
    pub fn len(&self) -> u64 {
        match self {
            Self::Json(inner) => inner.len() as u64,
            Self::Plain(text) => text.len() as u64,
        }
    }

    /// Whether there is nothing but white space in it. Escaped letters are none.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Json(inner) if !inner.contains(&b'\\') => inner.trim_ascii().is_empty(),
            _ => self.plain().trim().is_empty(),
        }
    }

    /// The text itself. Half a surrogate pair, and what is not UTF-8, becomes U+FFFD.
    pub fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Json(inner) => decode(inner),
        }
    }

    /// Whether the text is this one.
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Json(inner) if !inner.contains(&b'\\') => *inner == text.as_bytes(),
            _ => self.plain() == text,
        }
    }

    /// Writes it as a JSON string, quotes included.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.write_inner(out);
        out.push(b'"');
    }

    /// Writes what stands between the quotes of a JSON string.
    pub fn write_inner(&self, out: &mut Vec<u8>) {
        match self {
            // Control characters pass our reader, and are refused by stricter ones.
            Self::Json(inner) if inner.iter().any(|b| *b < 0x20) => {
                for byte in *inner {
                    match byte {
                        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                        _ => out.push(*byte),
                    }
                }
            }
            Self::Json(inner) => out.extend_from_slice(inner),
            Self::Plain(text) => {
                let quoted = quote(text);
                out.extend_from_slice(&quoted[1..quoted.len() - 1]);
            }
        }
    }

    /// The same text, borrowing nothing.
    pub fn into_owned(self) -> Text<'static> {
        Text::Plain(Cow::Owned(match self {
            Self::Plain(text) => text.into_owned(),
            Self::Json(inner) => decode(inner).into_owned(),
        }))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Plain(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Plain(Cow::Owned(text))
    }
}

/// Decodes what is between the quotes of a string, whatever it is.
fn decode(inner: &[u8]) -> Cow<'_, str> {
    let mut quoted = Vec::with_capacity(inner.len() + 2);
    let borrowed = !inner.contains(&b'\\');
    if borrowed {
        return String::from_utf8_lossy(inner);
    }
    quoted.push(b'"');
    quoted.extend_from_slice(inner);
    quoted.push(b'"');
    let text = Raw::parse(&quoted)
        .ok()
        .and_then(|raw| raw.as_str().map(Cow::into_owned));
    Cow::Owned(text.unwrap_or_else(|| lossy(inner)))
}

/// Decodes escape by escape; what stands for no character becomes U+FFFD.
fn lossy(inner: &[u8]) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
        text.push_str(&String::from_utf8_lossy(&rest[..plain]));
        rest = &rest[plain..];
        if rest.is_empty() {
            break;
        }
        // The longest escape is a surrogate pair of twelve bytes.
        let (decoded, length) = [12, 6, 2]
            .into_iter()
            .filter_map(|length| Some((rest.get(..length)?, length)))
            .find_map(|(escape, length)| Some((one(escape)?, length)))
            .unwrap_or(('\u{fffd}', if rest.get(1) == Some(&b'u') { 6 } else { 2 }));
        text.push(decoded);
        rest = rest.get(length..).unwrap_or_default();
    }
    text
}

/// The one character these bytes are the escape of.
fn one(escape: &[u8]) -> Option<char> {
    let quoted = [b"\"", escape, b"\""].concat();
    let text = Raw::parse(&quoted).ok()?.as_str()?.into_owned();
    let mut chars = text.chars();
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_surrogate_pair_moves_as_it_is_and_reads_as_a_replacement() {
        let text = Text::Json(br"a\ud83d\n");
        let mut out = Vec::new();
        text.write(&mut out);
        assert_eq!(out, br#""a\ud83d\n""#);
        assert_eq!(text.plain(), "a\u{fffd}\n");
    }

    #[test]
    fn a_pair_is_one_character() {
        assert_eq!(
            Text::Json(br"\ud83d\ude00\ud83d").plain(),
            "\u{1f600}\u{fffd}"
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = Vec::new();
        Text::Json(b"a\x01\tb").write(&mut out);
        assert_eq!(out, br#""a\u0001\u0009b""#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_text(text in ".{0,40}") {
            let mut out = Vec::new();
            Text::from(text.as_str()).write(&mut out);
            let raw = Raw::parse(&out).unwrap();
            let again = Text::of(raw).unwrap();
            prop_assert_eq!(again.plain(), text.as_str());
            prop_assert!(again.is(&text));
            prop_assert_eq!(again.is_blank(), text.trim().is_empty());
        }
    }
}
