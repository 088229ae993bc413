//! Before the request line: what is wrong with a configuration, and where.

use std::fmt;

use crate::config::Pointer;

/// One thing wrong with a configuration, at one place.
///
/// It displays as one line for logs: place, phrase, hint. A source that kept its text shows the line
/// itself, with the help of its [`SourceMap`](crate::config::SourceMap). Values never appear in the
/// texts built in this module, since any of them might be a secret; names and keys do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct ConfigError {
    /// The place.
    pub at: Pointer,
    /// What is wrong there: one lowercase phrase.
    pub what: Box<str>,
    /// What to do about it, when that is known.
    pub hint: Option<Box<str>>,
    /// Whether the key at the place is meant, rather than the value under it.
    pub on_key: bool,
    /// A second place that has a part in it, as the first owner of a name given twice.
    pub other: Option<Pointer>,
}

impl ConfigError {
    /// Says that `what` is wrong with the value at `at`.
    pub fn new(at: impl Into<Pointer>, what: impl Into<Box<str>>) -> Self {
        Self {
            at: at.into(),
            what: what.into(),
            hint: None,
            on_key: false,
            other: None,
        }
    }

    /// Adds what to do about it, as in ``did you mean `backend`?``.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Means the key at the place, not the value under it.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// Names a second place that has a part in it.
    #[must_use]
    pub fn other(mut self, other: Pointer) -> Self {
        self.other = Some(other);
        self
    }

    /// Takes the places for relative to `prefix`, and makes them absolute.
    #[must_use]
    pub fn under(mut self, prefix: &Pointer) -> Self {
        self.at = prefix.join(&self.at);
        self.other = self.other.map(|other| prefix.join(&other));
        self
    }
}

impl From<&Pointer> for Pointer {
    fn from(at: &Pointer) -> Self {
        at.clone()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_root() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.what)?;
        if let Some(other) = &self.other {
            write!(f, ", see {other}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_displays_place_phrase_and_hint() {
        let error = ConfigError::new(Pointer::root().key("backnd"), "unknown key `backnd`")
            .hint("did you mean `backend`?")
            .under(&Pointer::root().key("routes").index(1));
        assert_eq!(
            error.to_string(),
            "/routes/1/backnd: unknown key `backnd` (did you mean `backend`?)"
        );
    }

    #[test]
    fn an_error_about_the_document_has_no_place() {
        assert_eq!(
            ConfigError::new(Pointer::root(), "the file is empty").to_string(),
            "the file is empty"
        );
    }
}
