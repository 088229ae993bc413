//! Before the request line: where in a configuration document something stands.

use std::borrow::Cow;
use std::fmt;

/// A place in a configuration document, written as a JSON pointer (RFC 6901).
///
/// It displays as `/routes/0/policies/1/timeouts`; the whole document displays as nothing. Making a
/// child is one allocation, pushing in place is none while the buffer lasts. A clone copies the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Whether this is the whole document.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The value under `key` of the mapping here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut child = self.clone();
        child.push_key(key);
        child
    }

    /// The item `index`, counted from zero, of the sequence here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut child = self.clone();
        child.push_index(index);
        child
    }

    /// Moves to the value under `key`.
    pub fn push_key(&mut self, key: &str) {
        self.0.push('/');
        for c in key.chars() {
            match c {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                c => self.0.push(c),
            }
        }
    }

    /// Moves to the item `index`, counted from zero.
    pub fn push_index(&mut self, index: usize) {
        self.0.push('/');
        self.0.push_str(&index.to_string());
    }

    /// `tail`, which was meant relative to this place.
    #[must_use]
    pub fn join(&self, tail: &Self) -> Self {
        Self(format!("{}{}", self.0, tail.0))
    }

    /// The mapping or sequence this is in; `None` for the whole document.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.rfind('/')?;
        Some(Self(self.0[..end].to_owned()))
    }

    /// The steps from the root, keys unescaped and indexes as decimal digits.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, str>> {
        // The text before the first slash is always empty.
        self.0.split('/').skip(1).map(unescape)
    }

    /// The last step; `None` for the whole document.
    #[must_use]
    pub fn last(&self) -> Option<Cow<'_, str>> {
        let (_, step) = self.0.rsplit_once('/')?;
        Some(unescape(step))
    }

    /// The JSON pointer's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn unescape(step: &str) -> Cow<'_, str> {
    if step.contains('~') {
        Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_displays_as_rfc_6901_text() {
        let at = Pointer::root().key("routes").index(0).key("a/b~c");
        assert_eq!(at.to_string(), "/routes/0/a~1b~0c");
        assert_eq!(at.last().as_deref(), Some("a/b~c"));
        assert_eq!(at.steps().collect::<Vec<_>>(), ["routes", "0", "a/b~c"]);
    }

    #[test]
    fn the_root_has_no_steps_and_no_parent() {
        assert_eq!(Pointer::root().steps().count(), 0);
        assert_eq!(Pointer::root().parent(), None);
        assert_eq!(Pointer::root().key("").steps().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_parent_is_one_step_up() {
        let at = Pointer::root().key("a").index(3);
        assert_eq!(at.parent(), Some(Pointer::root().key("a")));
        assert_eq!(Pointer::root().key("b").join(&at).to_string(), "/b/a/3");
    }
}
