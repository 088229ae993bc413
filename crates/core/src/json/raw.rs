//! Decode and typed policies: one value of a document, where it lies.

use std::{borrow::Cow, fmt, ops::Range};

use super::{
    Elements, JsonError, MAX_DEPTH, Members,
    scan::{end, space, value},
    text,
};

/// The six kinds of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// An integer or decimal.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// One value as it was received: its bytes without white space around them, and their place.
///
/// Copying it copies a pointer. Nothing is decoded before it is asked for, and no answer is kept.
/// `Debug` shows kind and place, never the text, which may be somebody's prompt.
///
/// ```
/// use portcullis_core::json::{Kind, Raw};
///
/// let reply = Raw::parse(br#"{"usage": {"total_tokens": 12}, "id": "a\/b"}"#)?;
/// assert_eq!(reply.kind(), Kind::Object);
/// assert_eq!(reply.path(&["usage", "total_tokens"]).and_then(|n| n.as_u64()), Some(12));
///
/// let id = reply.get("id").expect("there is one");
/// assert_eq!(id.as_str().as_deref(), Some("a/b"));
/// assert_eq!((id.bytes(), id.span()), (br#""a\/b""#.as_slice(), 38..44));
/// # Ok::<(), portcullis_core::json::JsonError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    at: u32,
}

impl<'a> Raw<'a> {
    /// Checks a whole document and gives its outermost value.
    ///
    /// # Errors
    ///
    /// When the bytes are not one JSON value ([what is checked](super#what-is-checked)), are nested
    /// deeper than [`MAX_DEPTH`], or are more than `u32` can count.
    pub fn parse(document: &'a [u8]) -> Result<Self, JsonError> {
        within_u32(document)?;
        let from = space(document, 0);
        let to = value(document, from, MAX_DEPTH)?;
        end(document, to)?;
        Ok(Self::new(&document[from..to], from, 0))
    }

    /// The value whose bytes are `bytes`, at `at` in a part of the document that begins at `base`.
    pub(super) fn new(bytes: &'a [u8], at: usize, base: u32) -> Self {
        let at = u32::try_from(at).expect("documents are within u32");
        Self {
            bytes,
            at: base + at,
        }
    }

    /// The value a span of an already checked document holds; `None` when it is not within it.
    pub(crate) fn at(document: &'a [u8], span: &Range<u32>) -> Option<Self> {
        let bytes = document.get(span.start as usize..span.end as usize)?;
        Some(Self {
            bytes,
            at: span.start,
        })
    }

    /// The bytes of the value, quotes and brackets included.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Where those bytes are in the document.
    pub fn span(self) -> Range<u32> {
        self.at..self.at + self.bytes.len() as u32
    }

    /// What kind of value it is, as its first byte tells.
    pub fn kind(self) -> Kind {
        match self.bytes.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// What is between the quotes of a string, escapes left as they are.
    pub fn str_bytes(self) -> Option<&'a [u8]> {
        self.bytes.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }

    /// The text of a string, borrowed when it has no escapes.
    ///
    /// `None` when the value is not a string, is not UTF-8, or escapes half a surrogate pair.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        text::decode(self.str_bytes()?)
    }

    /// The value of `true` and `false`.
    pub fn as_bool(self) -> Option<bool> {
        match self.bytes {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A number written as an integer of at most `u64`; `None` for `-1`, `1.0` and `1e3`.
    pub fn as_u64(self) -> Option<u64> {
        if self.kind() != Kind::Number {
            return None;
        }
        str::from_utf8(self.bytes).ok()?.parse().ok()
    }

    /// A whole number however it is written, as `6`, `6.0` or `6e0`: of at most `u64` as an integer, below
    /// 2^53 in any other way.
    pub fn as_count(self) -> Option<u64> {
        const EXACT: f64 = (1_u64 << 53) as f64;
        let written = || {
            let number = self.as_f64()?;
            let whole = (0.0..EXACT).contains(&number) && number.fract() == 0.0;
            whole.then_some(number as u64)
        };
        self.as_u64().or_else(written)
    }

    /// A number, rounded to the nearest `f64`; `None` when it is too large for one.
    pub fn as_f64(self) -> Option<f64> {
        if self.kind() != Kind::Number {
            return None;
        }
        let number: f64 = str::from_utf8(self.bytes).ok()?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The members of an object, in order. For any other value the first item is an error.
    pub fn members(self) -> Members<'a> {
        Members::new(self.bytes, self.at)
    }

    /// The elements of an array, in order. For any other value the first item is an error.
    pub fn elements(self) -> Elements<'a> {
        Elements::new(self.bytes, self.at)
    }

    /// The value an object has under `key`, which may be written there with escapes.
    ///
    /// Of several the last counts, as it does for nearly every parser an upstream may use; so the
    /// whole object is walked. To read more than one member go through [`members`](Self::members).
    pub fn get(self, key: &str) -> Option<Raw<'a>> {
        let mut found = None;
        for member in self.members() {
            let member = member.ok()?;
            if member.key == key {
                found = Some(member.value);
            }
        }
        found
    }

    /// The value reached from here through objects, a key each.
    pub fn path(self, keys: &[&str]) -> Option<Raw<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }
}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.kind(), self.span())
    }
}

/// Refuses documents whose offsets would not fit.
pub(super) fn within_u32(document: &[u8]) -> Result<(), JsonError> {
    match u32::try_from(document.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(JsonError {
            at: u32::MAX,
            what: "document too long",
        }),
    }
}
