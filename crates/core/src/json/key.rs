//! Decode: keys of objects, compared as an upstream would compare them.

use std::{borrow::Cow, collections::HashSet, fmt, ops::Range};

use smallvec::SmallVec;

use super::Raw;

/// The key of a member. Compares equal to the text it stands for, however it is written.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    raw: Raw<'a>,
    escaped: bool,
}

impl<'a> Key<'a> {
    pub(super) fn new(raw: Raw<'a>, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The key at a span of an already checked document, as [`Raw::at`] does for values.
    pub(crate) fn at(document: &'a [u8], span: &Range<u32>) -> Option<Self> {
        let raw = Raw::at(document, span)?;
        Some(Self {
            raw,
            escaped: memchr::memchr(b'\\', raw.bytes()).is_some(),
        })
    }

    /// The key as a string value, quotes and escapes as they are written.
    pub fn raw(&self) -> Raw<'a> {
        self.raw
    }

    /// Where it is in the document, quotes included.
    pub fn span(&self) -> Range<u32> {
        self.raw.span()
    }

    /// Its text; `None` in the cases of [`Raw::as_str`].
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        self.raw.as_str()
    }

    fn text(&self) -> &'a [u8] {
        self.raw.str_bytes().unwrap_or_default()
    }

    /// Whether the bytes are the text, and case is a matter of ASCII only.
    fn is_plain(&self) -> bool {
        !self.escaped && self.text().is_ascii()
    }

    /// The text with the case taken off, as parsers do that ignore it. The two letters outside of
    /// ASCII which fold into it are `ſ` (U+017F) and the Kelvin sign (U+212A).
    fn folded(&self) -> Box<str> {
        let text = self
            .as_str()
            .unwrap_or_else(|| String::from_utf8_lossy(self.text()));
        let fold = |c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        };
        text.chars().map(fold).collect::<String>().into()
    }
}

impl PartialEq<str> for Key<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        if self.escaped {
            self.as_str().is_some_and(|text| text == other)
        } else {
            self.text() == other.as_bytes()
        }
    }
}

impl PartialEq<&str> for Key<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(self.raw.bytes()))
    }
}

/// The keys of an object met so far, for refusing one that comes twice.
///
/// Two keys are the same when they differ only in how they are escaped or in the case of letters:
/// some parsers ignore case, and a member we read as unknown would be the model's name to them.
///
/// ```
/// use portcullis_core::json::{KeySet, Members};
///
/// let mut seen = KeySet::default();
/// let mut twice = Members::of_document(br#"{"model":"a","n":1,"Mod\u0065l":"b"}"#)
///     .flatten()
///     .filter(|member| !seen.insert(member.key));
/// assert_eq!(twice.next().map(|member| member.span()), Some(19..35));
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeySet<'a> {
    few: SmallVec<[(Key<'a>, bool); FEW]>,
    many: HashSet<Box<str>>,
}

/// Up to this many keys are compared one by one, which allocates nothing.
const FEW: usize = 16;

impl<'a> KeySet<'a> {
    /// Adds a key. `false` when it was there already.
    pub fn insert(&mut self, key: Key<'a>) -> bool {
        if self.few.len() == FEW {
            if self.many.is_empty() {
                self.many = self.few.iter().map(|(key, _)| key.folded()).collect();
            }
            return self.many.insert(key.folded());
        }
        let plain = key.is_plain();
        let same = |(other, other_plain): &(Key<'_>, bool)| {
            if plain && *other_plain {
                other.text().eq_ignore_ascii_case(key.text())
            } else {
                other.folded() == key.folded()
            }
        };
        let fresh = !self.few.iter().any(same);
        if fresh {
            self.few.push((key, plain));
        }
        fresh
    }
}
