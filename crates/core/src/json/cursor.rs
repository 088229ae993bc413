//! Decode: reading a document once, from front to back, stepping into what is of interest.

use std::fmt;

use super::{
    JsonError, Key, MAX_DEPTH, Raw,
    raw::within_u32,
    scan::{self, space},
};

/// A document read once. Each byte is looked at once, however deep the values are that are stepped into;
/// with [`Members`](super::Members) of members, those within are passed over before they are entered.
///
/// ```
/// use portcullis_core::json::{Cursor, JsonError};
///
/// let mut names = Vec::new();
/// let mut cursor = Cursor::new(br#"{"tools": [{"name": "a", "more": {}}, {"name": "b"}], "n": 1}"#)?;
/// cursor.object(|key, at| {
///     if key == "tools" {
///         at.array(|at| {
///             at.object(|key, at| {
///                 if key == "name" {
///                     names.extend(at.value()?.as_str());
///                 }
///                 Ok(())
///             })?;
///             Ok(())
///         })?;
///     }
///     Ok(())
/// })?;
/// cursor.end()?;
/// assert_eq!(names, ["a", "b"]);
/// # Ok::<(), JsonError>(())
/// ```
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Cursor<'a> {
    /// Stands before the value a document consists of.
    ///
    /// # Errors
    ///
    /// When the document is larger than `u32` can count.
    pub fn new(document: &'a [u8]) -> Result<Self, JsonError> {
        within_u32(document)?;
        Ok(Self {
            bytes: document,
            at: space(document, 0),
            depth: 0,
        })
    }

    /// Passes over the value that comes next, checking it, and gives it.
    ///
    /// # Errors
    ///
    /// When there is no whole value, or it is nested deeper than [`MAX_DEPTH`] with all that is around it.
    pub fn value(&mut self) -> Result<Raw<'a>, JsonError> {
        let from = self.at;
        self.at = scan::value(self.bytes, from, MAX_DEPTH - self.depth)?;
        Ok(Raw::new(&self.bytes[from..self.at], from, 0))
    }

    /// Goes through the members of the object that comes next: `f` is given each key and stands before its
    /// value, which is passed over if `f` leaves it. Returns `false`, and stays, if no object comes next.
    ///
    /// # Errors
    ///
    /// When the object is not whole or too deep, and what `f` fails with.
    pub fn object(
        &mut self,
        mut f: impl FnMut(Key<'a>, &mut Self) -> Result<(), JsonError>,
    ) -> Result<bool, JsonError> {
        if !self.enter(b'{')? {
            return Ok(false);
        }
        let mut more = !self.leave(b'}');
        while more {
            let start = self.at;
            let key = scan::key(self.bytes, start)?;
            let text = Raw::new(&self.bytes[start..key.end], start, 0);
            self.at = key.value;
            f(Key::new(text, key.escaped), self)?;
            self.pass(key.value)?;
            more = self.go_on(b'}', "expected a comma or a closing brace")?;
        }
        Ok(true)
    }

    /// Goes through the elements of the array that comes next: `f` stands before each, which is passed over
    /// if `f` leaves it. Returns `false`, and stays, if no array comes next.
    ///
    /// # Errors
    ///
    /// When the array is not whole or too deep, and what `f` fails with.
    pub fn array(
        &mut self,
        mut f: impl FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<bool, JsonError> {
        if !self.enter(b'[')? {
            return Ok(false);
        }
        let mut more = !self.leave(b']');
        while more {
            let start = self.at;
            f(self)?;
            self.pass(start)?;
            more = self.go_on(b']', "expected a comma or a closing bracket")?;
        }
        Ok(true)
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// When anything but white space is left.
    pub fn end(self) -> Result<(), JsonError> {
        scan::end(self.bytes, self.at)
    }

    fn enter(&mut self, open: u8) -> Result<bool, JsonError> {
        if self.bytes.get(self.at) != Some(&open) {
            return Ok(false);
        }
        if self.depth == MAX_DEPTH {
            return Err(JsonError::new(self.at, "too many open brackets"));
        }
        self.depth += 1;
        self.at = space(self.bytes, self.at + 1);
        Ok(true)
    }

    /// Leaves the container if it closes here.
    fn leave(&mut self, close: u8) -> bool {
        let closes = self.bytes.get(self.at) == Some(&close);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    /// Passes over the value at `start` if nobody has.
    fn pass(&mut self, start: usize) -> Result<(), JsonError> {
        if self.at == start {
            self.value()?;
        }
        Ok(())
    }

    /// Goes on behind a value; whether there is another.
    fn go_on(&mut self, close: u8, otherwise: &'static str) -> Result<bool, JsonError> {
        self.at = space(self.bytes, self.at);
        if self.bytes.get(self.at) == Some(&b',') {
            self.at = space(self.bytes, self.at + 1);
            return Ok(true);
        }
        if self.leave(close) {
            return Ok(false);
        }
        Err(JsonError::new(self.at, otherwise))
    }
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("at", &self.at)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Goes through everything there is, and lists each scalar with its place.
    fn walk(
        at: &mut Cursor<'_>,
        found: &mut Vec<(String, String)>,
        path: &str,
    ) -> Result<(), JsonError> {
        let mut index = 0;
        let entered = at.object(|key, at| {
            let key = key.as_str().unwrap_or_default().into_owned();
            walk(at, found, &format!("{path}/{key}"))
        })? || at.array(|at| {
            index += 1;
            walk(at, found, &format!("{path}/{index}"))
        })?;
        if !entered {
            let text = String::from_utf8_lossy(at.value()?.bytes()).into_owned();
            found.push((path.to_owned(), text));
        }
        Ok(())
    }

    fn listed(document: &[u8]) -> Result<Vec<(String, String)>, JsonError> {
        let mut found = Vec::new();
        let mut cursor = Cursor::new(document)?;
        walk(&mut cursor, &mut found, "")?;
        cursor.end()?;
        Ok(found)
    }

    #[test]
    fn what_is_not_entered_is_passed_over() {
        let mut keys = Vec::new();
        let mut cursor =
            Cursor::new(br#" { "a" : [1, {"x": 2}], "b":{"y":[]} ,"c":null} "#).unwrap();
        let entered = cursor.object(|key, _| {
            keys.push(key.as_str().unwrap().into_owned());
            Ok(())
        });
        assert!(entered.unwrap());
        cursor.end().unwrap();
        assert_eq!(keys, ["a", "b", "c"]);
    }

    #[test]
    fn another_kind_of_value_is_not_entered_and_still_there() {
        let mut cursor = Cursor::new(b"[]").unwrap();
        assert!(!cursor.object(|_, _| Ok(())).unwrap());
        assert!(cursor.array(|_| Ok(())).unwrap());
        cursor.end().unwrap();
    }

    #[test]
    fn no_more_brackets_are_open_than_elsewhere() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        let depth = MAX_DEPTH as usize;
        assert!(listed(&nested(depth)).is_ok());
        assert!(listed(&nested(depth + 1)).is_err());
        let deep = nested(depth);
        let mut cursor = Cursor::new(&deep).unwrap();
        assert!(cursor.array(|at| at.value().map(drop)).unwrap());
    }

    #[test]
    fn every_prefix_of_a_document_is_an_error() {
        let document = br#"{"a":[1,{"b":"c\n"}],"d":{}}"#;
        for end in 0..document.len() {
            assert!(listed(&document[..end]).is_err(), "{end}");
        }
        listed(document).unwrap();
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z\"]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_parsed_tree_has(tree in any_json()) {
            fn leaves(tree: &serde_json::Value, path: String, found: &mut Vec<(String, String)>) {
                match tree {
                    serde_json::Value::Object(map) => for (key, value) in map {
                        leaves(value, format!("{path}/{key}"), found);
                    },
                    serde_json::Value::Array(items) => for (index, item) in items.iter().enumerate() {
                        leaves(item, format!("{path}/{}", index + 1), found);
                    },
                    scalar => found.push((path, scalar.to_string())),
                }
            }
            let mut expected = Vec::new();
            leaves(&tree, String::new(), &mut expected);
            prop_assert_eq!(listed(tree.to_string().as_bytes()).unwrap(), expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let whole = Raw::parse(&bytes);
            let read = listed(&bytes);
            if read.is_ok() {
                prop_assert!(whole.is_ok());
            }
        }
    }
}
