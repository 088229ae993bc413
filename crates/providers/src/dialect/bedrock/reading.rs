//! Reading a document in one pass: what is wrong with it, what of it does not go on.

use std::fmt;

use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, JsonError, Key, Raw};

use crate::codes::UNTRANSLATABLE;
use crate::translate::{Losses, Text};

/// The reading of one document.
pub(super) struct Reading<'l> {
    pub(super) losses: &'l mut Losses,
    /// What is wrong with it, besides its grammar.
    fault: Option<Error>,
}

/// Where in a document something stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'p> {
    /// The document.
    Top,
    /// A member of something.
    Key(&'p Place<'p>, &'p str),
    /// An element of something.
    Index(&'p Place<'p>, u32),
}

impl Place<'_> {
    /// The path of a member of this place.
    pub(super) fn path(&self, key: &str) -> String {
        Place::Key(self, key).to_string()
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Top => Ok(()),
            Place::Key(Place::Top, key) => f.write_str(key),
            Place::Key(outer, key) => write!(f, "{outer}.{key}"),
            Place::Index(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

impl<'l> Reading<'l> {
    pub(super) fn new(losses: &'l mut Losses) -> Self {
        Self {
            losses,
            fault: None,
        }
    }

    /// The fault, if one was found, in place of the error by which the reading was given up.
    pub(super) fn end<T>(
        self,
        read: Result<T, JsonError>,
        not_json: impl FnOnce(JsonError) -> Error,
    ) -> Result<T, Error> {
        read.map_err(|e| self.fault.unwrap_or_else(|| not_json(e)))
    }

    /// Gives the reading up.
    pub(super) fn fail(&mut self, e: Error) -> JsonError {
        self.fault.get_or_insert(e);
        JsonError {
            at: 0,
            what: "the document is not what it should be",
        }
    }

    /// Gives up because a field is missing or of the wrong type.
    pub(super) fn wrong(&mut self, place: Place<'_>, wanted: &str) -> JsonError {
        let path = place.to_string();
        let what = format!("`{path}` must be {wanted}");
        self.fail(Error::new(&codes::INVALID_FIELD, what).param(&path))
    }

    /// Gives up because something makes no sense elsewhere.
    pub(super) fn untranslatable(&mut self, place: Place<'_>, why: &str) -> JsonError {
        let path = place.to_string();
        let what = format!("`{path}` cannot be put in another dialect: {why}");
        self.fail(Error::new(&UNTRANSLATABLE, what).param(&path))
    }

    /// Notes that a member the neutral form has no place for does not go on. One that is `null` says nothing.
    pub(super) fn lose(
        &mut self,
        at: &mut Cursor<'_>,
        place: Place<'_>,
        key: Key<'_>,
        why: &'static str,
    ) -> Result<(), JsonError> {
        if !at.value()?.is_null() {
            let key = key.as_str().unwrap_or("?".into());
            self.losses.add(place.path(&key), why);
        }
        Ok(())
    }

    /// A string.
    pub(super) fn text<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        place: Place<'_>,
    ) -> Result<Text<'a>, JsonError> {
        let text = Text::of(at.value()?);
        text.ok_or_else(|| self.wrong(place, "a string"))
    }

    /// A number, or nothing where it is `null`.
    pub(super) fn number<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        place: Place<'_>,
    ) -> Result<Option<Raw<'a>>, JsonError> {
        let value = at.value()?;
        match value.as_f64() {
            Some(_) => Ok(Some(value)),
            None if value.is_null() => Ok(None),
            None => Err(self.wrong(place, "a number")),
        }
    }

    /// The members of an object; `null` has none.
    pub(super) fn object<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        place: Place<'_>,
        mut f: impl FnMut(&mut Self, Key<'a>, &mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if at.object(|key, at| f(self, key, at))? || at.value()?.is_null() {
            return Ok(());
        }
        Err(self.wrong(place, "an object"))
    }

    /// The elements of an array; `null` has none.
    pub(super) fn array<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        place: Place<'_>,
        mut f: impl FnMut(&mut Self, Place<'_>, &mut Cursor<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let mut index = 0;
        let found = at.array(|at| {
            f(self, Place::Index(&place, index), at)?;
            index += 1;
            Ok(())
        })?;
        if found || at.value()?.is_null() {
            return Ok(());
        }
        Err(self.wrong(place, "an array"))
    }
}
