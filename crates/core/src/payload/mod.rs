//! Decode to encode: what was received, a view of it made on first look, and edits as splices.

mod doc;
mod edit;
mod splice;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::json::JsonError;

pub use self::{
    doc::Doc,
    edit::{Change, edit_object, insert_first_member, remove_member, replace, set_member},
    splice::{Splice, SpliceError},
};

/// A view that can be made of received bytes. It owns what it keeps: usually spans into them.
pub trait Parse: Sized + Send + Sync + 'static {
    /// Reads the bytes.
    ///
    /// # Errors
    ///
    /// When they are not what the type is a view of.
    fn parse(raw: &Bytes) -> Result<Self, ParseError>;
}

/// Why no view could be made of a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", .at.map(|at| format!(" at byte {at}")).unwrap_or_default())]
pub struct ParseError {
    at: Option<u32>,
    what: Cow<'static, str>,
}

impl ParseError {
    /// An error about the payload as a whole, in a lowercase phrase.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at: None,
            what: what.into(),
        }
    }

    /// An error about one place in it.
    pub fn at(at: u32, what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at: Some(at),
            what: what.into(),
        }
    }

    /// The offset of the place it is about, when it is about one.
    pub fn offset(&self) -> Option<u32> {
        self.at
    }
}

impl From<JsonError> for ParseError {
    fn from(error: JsonError) -> Self {
        Self::at(error.at, error.what)
    }
}

/// Received bytes, and a view of them made on first look.
///
/// What only passes is never parsed, and leaves as the very bytes that came. A clone is a reference
/// count and shares the view, so all attempts of a call parse once. Editing gives the edited payload
/// bytes of its own and leaves the clones alone.
///
/// `Debug` shows sizes only: payloads are prompts and replies.
///
/// ```
/// use bytes::Bytes;
/// use portcullis_core::payload::{Doc, Payload, replace};
///
/// let mut sent = Payload::<Doc>::from(Bytes::from_static(br#"{"model": "fast", "n": 1.0}"#));
/// let kept = sent.clone();
///
/// let model = sent.view().expect("it is JSON").get(sent.raw(), "model").expect("there is one");
/// assert_eq!(model.as_str().as_deref(), Some("fast"));
///
/// let edit = replace(model, r#""gpt-5-mini""#);
/// sent.splice(&mut [edit])?;
/// assert_eq!(sent.raw(), r#"{"model": "gpt-5-mini", "n": 1.0}"#);
/// assert!(sent.edited() && !kept.edited());
/// assert_eq!(kept.raw(), r#"{"model": "fast", "n": 1.0}"#);
/// # Ok::<(), portcullis_core::payload::SpliceError>(())
/// ```
pub struct Payload<T>(Arc<Inner<T>>);

struct Inner<T> {
    raw: Bytes,
    view: OnceLock<Result<T, ParseError>>,
    edited: bool,
}

impl<T> Payload<T> {
    /// The bytes: those received, while [`edited`](Self::edited) is false.
    pub fn raw(&self) -> &Bytes {
        &self.0.raw
    }

    /// Whether the bytes are other than those received.
    pub fn edited(&self) -> bool {
        self.0.edited
    }

    /// Replaces parts of the bytes in one copy. The edits may come in any order and are left sorted.
    ///
    /// Insertions at one place end up in the order given, and before a replacement that begins
    /// there. Other clones keep their bytes and view. Without edits nothing changes.
    ///
    /// # Errors
    ///
    /// When two edits overlap, one reaches beyond the bytes, or the result would be more than `u32`
    /// can count. The payload is then as it was.
    pub fn splice(&mut self, edits: &mut [Splice]) -> Result<(), SpliceError> {
        if edits.is_empty() {
            return Ok(());
        }
        let raw = splice::apply(&self.0.raw, edits)?;
        self.0 = Arc::new(Inner {
            raw,
            view: OnceLock::new(),
            edited: true,
        });
        Ok(())
    }
}

impl<T: Parse> Payload<T> {
    /// The view of the bytes, made by the first call on any clone.
    ///
    /// # Errors
    ///
    /// When the bytes are not a `T`. That, too, is found out once.
    pub fn view(&self) -> Result<&T, &ParseError> {
        self.0.view.get_or_init(|| T::parse(&self.0.raw)).as_ref()
    }
}

impl<T> Clone for Payload<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<Bytes> for Payload<T> {
    fn from(raw: Bytes) -> Self {
        Self(Arc::new(Inner {
            raw,
            view: OnceLock::new(),
            edited: false,
        }))
    }
}

impl<T> fmt::Debug for Payload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("bytes", &self.0.raw.len())
            .field("edited", &self.0.edited)
            .field("viewed", &self.0.view.get().is_some())
            .finish()
    }
}
