//! Decode to encode: replacing parts of a payload's bytes.

use std::{fmt, ops::Range};

use bytes::Bytes;

/// One edit: the bytes at a span become others. An empty span inserts, empty bytes remove.
#[derive(Clone, PartialEq, Eq)]
pub struct Splice {
    /// What is replaced.
    pub at: Range<u32>,
    /// What it is replaced with.
    pub with: Bytes,
}

impl Splice {
    /// Puts `with` at the place of `at`.
    pub fn new(at: Range<u32>, with: impl Into<Bytes>) -> Self {
        Self {
            at,
            with: with.into(),
        }
    }
}

impl fmt::Debug for Splice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} becomes {} bytes", self.at, self.with.len())
    }
}

/// Why edits cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits want the same bytes.
    #[error("the edits at {first:?} and {second:?} overlap")]
    Overlap {
        /// The one that begins first.
        first: Range<u32>,
        /// The one that begins inside of it.
        second: Range<u32>,
    },
    /// An edit is not within the bytes, or ends before it begins.
    #[error("the edit at {at:?} is outside of {length} bytes")]
    Outside {
        /// Its span.
        at: Range<u32>,
        /// How many bytes there are.
        length: usize,
    },
    /// More bytes would result than spans can point into.
    #[error("the edits make the payload too long")]
    TooLong,
}

/// The bytes after the edits, which are checked and sorted first.
pub(super) fn apply(raw: &Bytes, edits: &mut [Splice]) -> Result<Bytes, SpliceError> {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let length = check(raw.len(), edits)?;
    let mut out = Vec::with_capacity(length);
    let mut from = 0;
    for edit in edits.iter() {
        out.extend_from_slice(&raw[from..edit.at.start as usize]);
        out.extend_from_slice(&edit.with);
        from = edit.at.end as usize;
    }
    out.extend_from_slice(&raw[from..]);
    Ok(out.into())
}

/// The length after the edits, if they can be made.
fn check(before: usize, edits: &[Splice]) -> Result<usize, SpliceError> {
    let (mut removed, mut added) = (0, 0);
    for edit in edits {
        let Range { start, end } = edit.at;
        if start > end || end as usize > before {
            return Err(SpliceError::Outside {
                at: edit.at.clone(),
                length: before,
            });
        }
        removed += (end - start) as usize;
        added += edit.with.len();
    }
    for (first, second) in edits.iter().zip(edits.iter().skip(1)) {
        if second.at.start < first.at.end {
            let (first, second) = (first.at.clone(), second.at.clone());
            return Err(SpliceError::Overlap { first, second });
        }
    }
    let after = before - removed + added;
    if u32::try_from(after).is_ok() {
        Ok(after)
    } else {
        Err(SpliceError::TooLong)
    }
}
