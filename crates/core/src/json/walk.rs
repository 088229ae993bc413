//! Decode and typed policies: going through the members of an object and the elements of an array.

use std::{iter::FusedIterator, ops::Range};

use super::{
    JsonError, Key, MAX_DEPTH, Raw,
    raw::within_u32,
    scan::{self, space},
};

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its key.
    pub key: Key<'a>,
    /// Its value.
    pub value: Raw<'a>,
}

impl Member<'_> {
    /// Where it is in the document, from the key's opening quote to the end of the value.
    pub fn span(&self) -> Range<u32> {
        self.key.span().start..self.value.span().end
    }
}

/// The members of an object, in the order they are written, duplicates included.
///
/// Each step checks the member it gives. An error is the last item.
#[derive(Clone, Debug)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Members<'a> {
    /// The members of the object a whole document consists of, checked in the same pass.
    ///
    /// Once the iterator has ended without an error, the document was whole: its brackets closed
    /// and nothing but white space after them. A document that is no object gives an error.
    pub fn of_document(document: &'a [u8]) -> Self {
        let mut members = Self::new(document, 0);
        members.0.refused = within_u32(document).err();
        members
    }

    pub(super) fn new(bytes: &'a [u8], base: u32) -> Self {
        Self(Walk::new(bytes, base))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(Walk::member)
    }
}

impl FusedIterator for Members<'_> {}

/// The elements of an array, in order.
///
/// Each step checks the element it gives. An error is the last item.
#[derive(Clone, Debug)]
pub struct Elements<'a>(Walk<'a>);

impl<'a> Elements<'a> {
    pub(super) fn new(bytes: &'a [u8], base: u32) -> Self {
        Self(Walk::new(bytes, base))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Raw<'a>, JsonError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next(Walk::element)
    }
}

impl FusedIterator for Elements<'_> {}

/// Where a walk through a container is.
#[derive(Clone)]
struct Walk<'a> {
    bytes: &'a [u8],
    base: u32,
    at: usize,
    entered: bool,
    ended: bool,
    refused: Option<JsonError>,
}

/// What the brackets of a container look like, and what is said when they are missing.
struct Brackets {
    open: u8,
    close: u8,
    not_open: &'static str,
    not_closed: &'static str,
}

const OBJECT: Brackets = Brackets {
    open: b'{',
    close: b'}',
    not_open: "expected an object",
    not_closed: "expected a comma or a closing brace",
};

const ARRAY: Brackets = Brackets {
    open: b'[',
    close: b']',
    not_open: "expected an array",
    not_closed: "expected a comma or a closing bracket",
};

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], base: u32) -> Self {
        Self {
            bytes,
            base,
            at: 0,
            entered: false,
            ended: false,
            refused: None,
        }
    }

    fn next<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<Option<T>, JsonError>,
    ) -> Option<Result<T, JsonError>> {
        if self.ended {
            return None;
        }
        let item = match self.refused {
            Some(error) => Err(error),
            None => step(self).map_err(|error| error.shifted(self.base)),
        };
        self.ended = !matches!(item, Ok(Some(_)));
        item.transpose()
    }

    /// Goes to where the next item begins, or to the end of the bytes when there is none.
    #[inline]
    fn advance(&mut self, brackets: &Brackets) -> Result<bool, JsonError> {
        let at = space(self.bytes, self.at);
        let next = self.bytes.get(at).copied();
        if !self.entered {
            if next != Some(brackets.open) {
                return Err(JsonError::new(at, brackets.not_open));
            }
            self.entered = true;
            self.at = space(self.bytes, at + 1);
            if self.bytes.get(self.at) != Some(&brackets.close) {
                return Ok(true);
            }
            self.at += 1;
        } else if next == Some(b',') {
            self.at = space(self.bytes, at + 1);
            return Ok(true);
        } else if next == Some(brackets.close) {
            self.at = at + 1;
        } else {
            return Err(JsonError::new(at, brackets.not_closed));
        }
        scan::end(self.bytes, self.at)?;
        Ok(false)
    }

    fn member(&mut self) -> Result<Option<Member<'a>>, JsonError> {
        if !self.advance(&OBJECT)? {
            return Ok(None);
        }
        let start = self.at;
        let key = scan::key(self.bytes, start)?;
        self.at = key.value;
        let value = self.value()?;
        let text = Raw::new(&self.bytes[start..key.end], start, self.base);
        Ok(Some(Member {
            key: Key::new(text, key.escaped),
            value,
        }))
    }

    fn element(&mut self) -> Result<Option<Raw<'a>>, JsonError> {
        if self.advance(&ARRAY)? {
            self.value().map(Some)
        } else {
            Ok(None)
        }
    }

    #[inline]
    fn value(&mut self) -> Result<Raw<'a>, JsonError> {
        let from = self.at;
        self.at = scan::value(self.bytes, from, MAX_DEPTH - 1)?;
        Ok(Raw::new(&self.bytes[from..self.at], from, self.base))
    }
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("base", &self.base)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
