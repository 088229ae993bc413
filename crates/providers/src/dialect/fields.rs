//! Encode: small objects of a document that is read for translation, and what of them goes no further.

use std::fmt;

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Member, Raw};
use smallvec::SmallVec;

use crate::codes::UNTRANSLATABLE;
use crate::translate::{Losses, Text, read};

/// The members of a small object.
pub(super) type Fields<'a> = SmallVec<[Member<'a>; 8]>;

/// Takes the members of the object that comes next; `None` if none does.
pub(super) fn fields<'a>(at: &mut Cursor<'a>) -> Result<Option<Fields<'a>>, Error> {
    let mut fields = Fields::new();
    let found = read::object(at, |key, at| {
        let value = read::value(at)?;
        fields.push(Member { key, value });
        Ok(())
    })?;
    Ok(found.then_some(fields))
}

/// The members of an object that was checked before; none of anything else.
pub(super) fn members<'a>(value: Raw<'a>) -> Fields<'a> {
    value.members().filter_map(Result::ok).collect()
}

/// The last member of that name, which is the one parsers take.
pub(super) fn field<'a>(fields: &[Member<'a>], name: &str) -> Option<Raw<'a>> {
    let found = fields.iter().rev().find(|member| member.key == name)?;
    Some(found.value)
}

/// The value, unless it is `null`.
pub(super) fn given(value: Raw<'_>) -> Option<Raw<'_>> {
    (!value.is_null()).then_some(value)
}

/// A string; `None` for `null`.
///
/// # Errors
///
/// `invalid_field` for anything else.
pub(super) fn text<'a>(
    value: Raw<'a>,
    field: impl FnOnce() -> String,
) -> Result<Option<Text<'a>>, Error> {
    match Text::of(value) {
        None if !value.is_null() => Err(read::wrong(&field(), "a string")),
        text => Ok(text),
    }
}

/// Notes that a field does not go on, if it says anything: `null`, `[]` and `{}` do not.
pub(super) fn lose(losses: &mut Losses, field: impl fmt::Display, value: Raw<'_>) {
    let says_nothing = value.is_null()
        || matches!(value.bytes(), [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}']
            if inner.trim_ascii().is_empty());
    if !says_nothing {
        losses.add(field.to_string(), "it has no place in other dialects");
    }
}

/// A field of the request asks for something that makes no sense without it.
pub(super) fn untranslatable(field: impl fmt::Display, why: &str) -> Error {
    let field = field.to_string();
    Error::new(&UNTRANSLATABLE, format!("`{field}`: {why}")).param(&field)
}
