//! Decode, typed policies and encode: reading JSON where it lies, without building a tree.
//!
//! A gateway looks at three or four members of a body of a hundred kilobytes and sends the rest on
//! as it came. So nothing here allocates a tree or decodes a value nobody asked for: a [`Raw`] is a
//! slice of the received bytes that knows where it stands in the document, and going through an
//! object skips the values it passes by looking for their ends only.
//!
//! There are two ways in:
//!
//! * [`Members::of_document`] walks the members of the outermost object in one pass and checks the
//!   document as it goes; it has checked all of it once it returned `None` without an error before.
//! * [`Raw::parse`] checks the whole document first; afterwards any value may be walked at leisure.
//!
//! ```
//! use portcullis_core::json::Members;
//!
//! let body = br#"{"messages":[{"role":"user","content":"hi"}],"mod\u0065l":"small","stream":true}"#;
//! let (mut model, mut stream) = (None, false);
//! for member in Members::of_document(body) {
//!     let member = member?;
//!     if member.key == "model" {
//!         model = member.value.as_str();
//!     } else if member.key == "stream" {
//!         stream = member.value.as_bool().unwrap_or(false);
//!     }
//! }
//! assert_eq!(model.as_deref(), Some("small"));
//! assert!(stream);
//! # Ok::<(), portcullis_core::json::JsonError>(())
//! ```
//!
//! # What is checked
//!
//! The grammar of RFC 8259: brackets, commas, colons, literals, numbers, escapes, nothing after the
//! document, and at most [`MAX_DEPTH`] open brackets. Three things are not, because they would cost
//! another pass over long bodies; none of them can hide where a value ends:
//!
//! * **UTF-8**: a string that is not UTF-8 is passed over, and has no [`Raw::as_str`].
//! * **Control characters in strings** are passed over, and read as they are written. A guard so
//!   sees the text a lenient upstream would; a strict one refuses the document itself.
//! * **Runs of numbers in a skipped array** (embeddings, token ids) are only checked to consist of
//!   the bytes numbers, commas and blanks are made of, and to be set off by commas from what is not
//!   a number. [`Raw::elements`] checks each of them. No byte that opens or closes anything is ever
//!   part of a run, so the end of an array is never mistaken.

mod cursor;
mod key;
mod raw;
mod scan;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use self::{
    cursor::Cursor,
    key::{Key, KeySet},
    raw::{Kind, Raw},
    text::quote,
    walk::{Elements, Member, Members},
};

/// How many arrays and objects may be open at one place of a document.
pub const MAX_DEPTH: u32 = 128;

/// Why bytes are not a JSON document, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    /// The offset in the document of the first byte that does not fit.
    pub at: u32,
    /// What was wrong there: a lowercase phrase without any of the document's text.
    pub what: &'static str,
}

impl JsonError {
    fn new(at: usize, what: &'static str) -> Self {
        Self {
            at: u32::try_from(at).unwrap_or(u32::MAX),
            what,
        }
    }

    /// The same error, seen from a document in which our bytes begin at `base`.
    fn shifted(self, base: u32) -> Self {
        Self {
            at: self.at.saturating_add(base),
            ..self
        }
    }
}
