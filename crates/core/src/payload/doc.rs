//! Decode and typed policies: where the members of a JSON document are.

use std::ops::Range;

use bytes::Bytes;

use super::{Parse, ParseError};
use crate::json::{Key, KeySet, Member, Members, Raw};

/// The top level of a JSON document, as spans into its bytes.
///
/// Making one checks the whole document in one pass ([what is
/// checked](crate::json#what-is-checked)). It holds no bytes: its methods are given those it was
/// made of, which a [`Payload`](super::Payload) keeps beside it. Given others they find nothing, or
/// values that are not there, but do not panic.
///
/// ```
/// use bytes::Bytes;
/// use portcullis_core::payload::{Doc, Parse};
///
/// let raw = Bytes::from_static(br#"{"model": "fast", "stream": true}"#);
/// let doc = Doc::parse(&raw)?;
/// assert_eq!(doc.get(&raw, "stream").and_then(|stream| stream.as_bool()), Some(true));
/// assert!(doc.duplicate().is_none());
/// # Ok::<(), portcullis_core::payload::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    root: Range<u32>,
    members: Vec<Entry>,
    duplicate: Option<Range<u32>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: Range<u32>,
    value: Range<u32>,
}

impl Doc {
    /// The outermost value; `None` when `raw` is too short to be what this was made of.
    pub fn root<'a>(&self, raw: &'a [u8]) -> Option<Raw<'a>> {
        Raw::at(raw, &self.root)
    }

    /// The value under a key of the outermost object; of several the last.
    pub fn get<'a>(&self, raw: &'a [u8], key: &str) -> Option<Raw<'a>> {
        let entry = self.members.iter().rev().find(|entry| {
            // An escape only makes a key longer.
            entry.key.len() >= key.len() + 2
                && Key::at(raw, &entry.key).is_some_and(|found| found == key)
        })?;
        Raw::at(raw, &entry.value)
    }

    /// The members of the outermost object, in order, duplicates included. None for other values.
    pub fn members<'a>(&self, raw: &'a [u8]) -> impl Iterator<Item = Member<'a>> {
        self.members.iter().filter_map(|entry| {
            Some(Member {
                key: Key::at(raw, &entry.key)?,
                value: Raw::at(raw, &entry.value)?,
            })
        })
    }

    /// Where the first member of the outermost object is whose key came before.
    ///
    /// Keys that differ only in case count as the same ([`KeySet`] says why). Who decides something
    /// by a member refuses a document that has such a place: the upstream may read the other one.
    pub fn duplicate(&self) -> Option<Range<u32>> {
        self.duplicate.clone()
    }
}

impl Parse for Doc {
    fn parse(raw: &Bytes) -> Result<Self, ParseError> {
        if raw.trim_ascii_start().first() != Some(&b'{') {
            let root = Raw::parse(raw)?.span();
            return Ok(Self {
                root,
                members: Vec::new(),
                duplicate: None,
            });
        }
        let mut members = Vec::with_capacity(8);
        let mut seen = KeySet::default();
        let mut duplicate = None;
        for member in Members::of_document(raw) {
            let member = member?;
            if !seen.insert(member.key) && duplicate.is_none() {
                duplicate = Some(member.span());
            }
            members.push(Entry {
                key: member.key.span(),
                value: member.value.span(),
            });
        }
        Ok(Self {
            root: trimmed(raw),
            members,
            duplicate,
        })
    }
}

/// Where the bytes are without the white space around them.
fn trimmed(raw: &[u8]) -> Range<u32> {
    let start = raw.len() - raw.trim_ascii_start().len();
    let end = raw.trim_ascii_end().len();
    start as u32..end as u32
}
