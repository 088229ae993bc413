//! Before the request line: from a place in a document to line and column of a file.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::config::Pointer;

/// Where the values of a document stand in the files it was read from.
///
/// It keeps the files' texts, secrets included, for as long as it lives: its `Debug` output shows neither,
/// and who prints lines of them hides what is secret. A clone copies the places and shares the texts.
#[derive(Clone, Default)]
pub struct SourceMap {
    files: Vec<File>,
    places: HashMap<Pointer, Place>,
}

#[derive(Clone)]
struct File {
    name: Arc<str>,
    text: Arc<str>,
}

/// Where one value stands: byte ranges of a file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as [`SourceMap::add_file`] numbered it.
    pub file: usize,
    /// The key in front of the value, in a mapping.
    pub key: Option<Range<usize>>,
    /// The value; of a mapping or a list at least its beginning.
    pub value: Range<usize>,
}

/// A part of a file's text.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The file's whole text.
    pub text: &'a str,
    /// The bytes meant.
    pub range: Range<usize>,
}

impl Excerpt<'_> {
    /// Line and column of the beginning, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.text.get(..self.range.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        (line, before[start..].chars().count() + 1)
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Excerpt")
            .field("file", &self.file)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

impl SourceMap {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file, and says which number it has in a [`Place`].
    pub fn add_file(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> usize {
        self.files.push(File {
            name: name.into(),
            text: text.into(),
        });
        self.files.len() - 1
    }

    /// Notes where the value at a pointer stands.
    ///
    /// # Panics
    ///
    /// If the place is in a file that was not added.
    pub fn insert(&mut self, at: Pointer, place: Place) {
        assert!(
            place.file < self.files.len(),
            "the file of a place is added before it"
        );
        self.places.insert(at, place);
    }

    /// Takes over another map's files, and its places under the pointers `moved` gives them; the first
    /// place of a pointer stays.
    pub fn absorb(&mut self, other: Self, moved: impl Fn(&Pointer) -> Pointer) {
        let files = self.files.len();
        self.files.extend(other.files);
        for (at, place) in other.places {
            let place = Place {
                file: place.file + files,
                ..place
            };
            self.places.entry(moved(&at)).or_insert(place);
        }
    }

    /// What stands at a pointer: the value, or the key in front of it if `on_key`. Of a place that is not
    /// there, the nearest thing around it; `None` only if not even the document has a place.
    #[must_use]
    pub fn find(&self, at: &Pointer, on_key: bool) -> Option<Excerpt<'_>> {
        let mut at = at.clone();
        let place = loop {
            match self.places.get(&at) {
                Some(place) => break place,
                None => at = at.parent()?,
            }
        };
        let key = place.key.as_ref().filter(|_| on_key);
        let range = key.unwrap_or(&place.value).clone();
        let file = &self.files[place.file];
        Some(Excerpt {
            file: &file.name,
            text: &file.text,
            range,
        })
    }

    /// The names of the files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }

    /// Every place, in no order.
    pub fn places(&self) -> impl Iterator<Item = (&Pointer, &Place)> {
        self.places.iter()
    }
}

impl fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files().collect();
        f.debug_struct("SourceMap")
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> SourceMap {
        let mut map = SourceMap::new();
        let file = map.add_file("a.yaml", "ä: 1\nb: {c: 2}\n");
        map.insert(
            Pointer::root(),
            Place {
                file,
                key: None,
                value: 0..0,
            },
        );
        map.insert(
            Pointer::root().key("b"),
            Place {
                file,
                key: Some(6..7),
                value: 9..15,
            },
        );
        map
    }

    #[test]
    fn a_place_is_found_by_line_and_character() {
        let map = map();
        let b = Pointer::root().key("b");
        assert_eq!(map.find(&b, true).unwrap().line_column(), (2, 1));
        assert_eq!(map.find(&b, false).unwrap().line_column(), (2, 4));
    }

    #[test]
    fn a_missing_place_falls_back_to_what_is_around_it() {
        let map = map();
        let missing = Pointer::root().key("b").key("x").index(3);
        assert_eq!(
            map.find(&missing, false),
            map.find(&Pointer::root().key("b"), false)
        );
        assert_eq!(SourceMap::new().find(&missing, false), None);
    }

    #[test]
    fn an_absorbed_place_moves_with_its_file() {
        let mut both = map();
        let mut other = SourceMap::new();
        let file = other.add_file("b.yaml", "x: 1");
        other.insert(
            Pointer::root().key("x"),
            Place {
                file,
                key: Some(0..1),
                value: 3..4,
            },
        );
        both.absorb(other, |at| Pointer::root().key("moved").join(at));
        let found = both
            .find(&Pointer::root().key("moved").key("x"), false)
            .unwrap();
        assert_eq!((found.file, found.range), ("b.yaml", 3..4));
    }

    #[test]
    fn texts_do_not_show_in_debug_output() {
        let map = map();
        let shown = format!("{map:?} {:?}", map.find(&Pointer::root(), false));
        assert!(!shown.contains("{c: 2}"), "{shown}");
    }
}
