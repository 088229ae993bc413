//! Typed policies and encode: edits of JSON objects that leave everything else as it was written.

use std::ops::Range;

use bytes::Bytes;

use super::Splice;
use crate::json::{JsonError, Member, Raw, quote};

/// What is to become of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its value becomes this JSON. It becomes the first member when there was none.
    Set(Bytes),
    /// It goes, with one comma.
    Remove,
}

/// Replaces a value with other JSON.
pub fn replace(value: Raw<'_>, json: impl Into<Bytes>) -> Splice {
    Splice::new(value.span(), json)
}

/// Puts a member before all others of an object, without looking for one of that name.
///
/// # Errors
///
/// When `object` is not an object.
pub fn insert_first_member(object: Raw<'_>, key: &str, json: &[u8]) -> Result<Splice, JsonError> {
    let empty = object.members().next().transpose()?.is_none();
    Ok(insert(object, &[(key, json)], !empty))
}

/// Sets the value of a member: of each of that name, or of a new first one.
///
/// # Errors
///
/// When `object` is not an object.
pub fn set_member(
    object: Raw<'_>,
    key: &str,
    json: impl Into<Bytes>,
) -> Result<Vec<Splice>, JsonError> {
    edit_object(object, &[(key, Change::Set(json.into()))])
}

/// Removes a member, or all of that name, or none.
///
/// # Errors
///
/// When `object` is not an object.
pub fn remove_member(object: Raw<'_>, key: &str) -> Result<Vec<Splice>, JsonError> {
    edit_object(object, &[(key, Change::Remove)])
}

/// Sets and removes several members of one object at once.
///
/// Commas are right whatever goes and comes. They would not be after removing neighbours with edits
/// made apart from each other, which overlap or leave a comma behind: the edits of one object that
/// go into one [`splice`](super::Payload::splice) should come from one call.
///
/// # Errors
///
/// When `object` is not an object.
///
/// ```
/// use bytes::Bytes;
/// use portcullis_core::{
///     json::{Raw, quote},
///     payload::{Change, Doc, Payload, edit_object},
/// };
///
/// let mut body = Payload::<Doc>::from(Bytes::from_static(br#"{ "n": 1, "top_k": 5, "user": "u" }"#));
/// let mut edits = edit_object(
///     Raw::parse(body.raw())?,
///     &[("model", Change::Set(quote("m"))), ("n", Change::Remove), ("user", Change::Remove)],
/// )?;
/// body.splice(&mut edits)?;
/// assert_eq!(body.raw(), r#"{"model":"m", "top_k": 5 }"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn edit_object(object: Raw<'_>, changes: &[(&str, Change)]) -> Result<Vec<Splice>, JsonError> {
    let members = object.members().collect::<Result<Vec<_>, _>>()?;
    let change_of = |member: &Member<'_>| changes.iter().find(|(key, _)| member.key == *key);
    let mut edits = Vec::new();
    let mut gone = Vec::with_capacity(members.len());
    for member in &members {
        let change = change_of(member).map(|(_, change)| change);
        if let Some(Change::Set(json)) = change {
            edits.push(replace(member.value, json.clone()));
        }
        gone.push(change == Some(&Change::Remove));
    }
    edits.extend(removals(&members, &gone));
    let new: Vec<_> = changes
        .iter()
        .filter(|(key, _)| !members.iter().any(|member| member.key == *key))
        .filter_map(|(key, change)| match change {
            Change::Set(json) => Some((*key, json.as_ref())),
            Change::Remove => None,
        })
        .collect();
    if !new.is_empty() {
        edits.push(insert(object, &new, gone.contains(&false)));
    }
    Ok(edits)
}

/// Puts members behind the opening brace.
fn insert(object: Raw<'_>, members: &[(&str, &[u8])], others: bool) -> Splice {
    let mut json = Vec::new();
    for (at, (key, value)) in members.iter().enumerate() {
        json.extend_from_slice(if at > 0 { b"," } else { b"" });
        json.extend_from_slice(&quote(key));
        json.push(b':');
        json.extend_from_slice(value);
    }
    if others {
        json.push(b',');
    }
    let at = object.span().start + 1;
    Splice::new(at..at, json)
}

/// Removes each run of members that go with the commas before it, or behind it at the start.
fn removals(members: &[Member<'_>], gone: &[bool]) -> Vec<Splice> {
    let mut edits = Vec::new();
    let mut at = 0;
    for run in gone.chunk_by(|a, b| a == b) {
        let (first, next) = (at, at + run.len());
        at = next;
        if run[0] {
            edits.push(Splice::new(reach(members, first, next), Bytes::new()));
        }
    }
    edits
}

/// What goes with the members from `first` up to `next`.
fn reach(members: &[Member<'_>], first: usize, next: usize) -> Range<u32> {
    let start = members[first].span().start;
    let end = members[next - 1].span().end;
    match (first.checked_sub(1), members.get(next)) {
        (Some(before), _) => members[before].span().end..end,
        (None, Some(after)) => start..after.span().start,
        (None, None) => start..end,
    }
}
