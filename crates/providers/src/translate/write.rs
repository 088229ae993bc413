//! Encode: JSON written member by member, in the order of the page.
//!
//! A writer of requests and replies copies most of its values as they came; this puts names, commas and
//! brackets between them.
//!
//! ```
//! use portcullis_providers::translate::write::object;
//!
//! let mut out = Vec::new();
//! object(&mut out, |o| {
//!     o.str("role", "user");
//!     o.array("content", |a| {
//!         a.object(|o| o.str("text", "a \"b\""));
//!         a.raw(b"1.0");
//!     });
//! });
//! assert_eq!(out, br#"{"role":"user","content":[{"text":"a \"b\""},1.0]}"#);
//! ```

use portcullis_core::json::{Raw, quote};

use super::Text;

/// Writes an object.
pub fn object<R>(out: &mut Vec<u8>, f: impl FnOnce(&mut Object<'_>) -> R) -> R {
    out.push(b'{');
    let done = f(&mut Object { out, first: true });
    out.push(b'}');
    done
}

/// Writes an array.
pub fn array<R>(out: &mut Vec<u8>, f: impl FnOnce(&mut Array<'_>) -> R) -> R {
    out.push(b'[');
    let done = f(&mut Array { out, first: true });
    out.push(b']');
    done
}

/// An object under way.
#[derive(Debug)]
pub struct Object<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    /// Begins a member; its value is what the caller appends next, one JSON value. Keys are plain words: they
    /// are not escaped.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// A string.
    pub fn str(&mut self, key: &str, value: &str) {
        let quoted = quote(value);
        self.key(key).extend_from_slice(&quoted);
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &Text<'_>) {
        value.write(self.key(key));
    }

    /// A text, if there is one.
    pub fn maybe_text(&mut self, key: &str, value: Option<&Text<'_>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A value as it was written.
    pub fn raw(&mut self, key: &str, value: &[u8]) {
        self.key(key).extend_from_slice(value);
    }

    /// A value as it was written, if there is one.
    pub fn maybe_raw(&mut self, key: &str, value: Option<Raw<'_>>) {
        if let Some(value) = value {
            self.raw(key, value.bytes());
        }
    }

    /// A count.
    pub fn u64(&mut self, key: &str, value: u64) {
        number(self.key(key), value);
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    /// `null`.
    pub fn null(&mut self, key: &str) {
        self.raw(key, b"null");
    }

    /// An object.
    pub fn object<R>(&mut self, key: &str, f: impl FnOnce(&mut Object<'_>) -> R) -> R {
        object(self.key(key), f)
    }

    /// An array.
    pub fn array<R>(&mut self, key: &str, f: impl FnOnce(&mut Array<'_>) -> R) -> R {
        array(self.key(key), f)
    }
}

/// An array under way.
#[derive(Debug)]
pub struct Array<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
}

impl Array<'_> {
    /// Begins an element; it is what the caller appends next, one JSON value.
    pub fn element(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out
    }

    /// A string.
    pub fn str(&mut self, value: &str) {
        let quoted = quote(value);
        self.element().extend_from_slice(&quoted);
    }

    /// A text.
    pub fn text(&mut self, value: &Text<'_>) {
        value.write(self.element());
    }

    /// A value as it was written.
    pub fn raw(&mut self, value: &[u8]) {
        self.element().extend_from_slice(value);
    }

    /// An object.
    pub fn object<R>(&mut self, f: impl FnOnce(&mut Object<'_>) -> R) -> R {
        object(self.element(), f)
    }

    /// Whether nothing is in it yet.
    pub fn is_empty(&self) -> bool {
        self.first
    }
}

/// A count in decimal digits.
pub fn number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
