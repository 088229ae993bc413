//! Edits of one head.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// What is removed from a head, set in it and added to it, in this order.
///
/// `Debug` shows names only. A clone copies the lists; the values in them are shared.
#[derive(Clone, Default)]
pub struct HeaderEdits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderEdits {
    /// Edits nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes every value of a header.
    #[must_use]
    pub fn remove(mut self, name: HeaderName) -> Self {
        self.remove.push(name);
        self
    }

    /// Gives a header this value, in place of all it had. Of two for one header the later counts.
    #[must_use]
    pub fn set(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.set.push((name, value));
        self
    }

    /// Gives a header one more value, after those it has.
    #[must_use]
    pub fn add(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.add.push((name, value));
        self
    }

    /// Whether nothing would be edited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Makes the edits.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

impl fmt::Debug for HeaderEdits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |list: &[(HeaderName, HeaderValue)]| -> Vec<_> {
            list.iter().map(|(name, _)| name.clone()).collect()
        };
        f.debug_struct("HeaderEdits")
            .field("remove", &self.remove)
            .field("set", &names(&self.set))
            .field("add", &names(&self.add))
            .finish()
    }
}
