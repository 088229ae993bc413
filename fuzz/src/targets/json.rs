//! Decode: the JSON walk, beside serde_json's.

use bytes::Bytes;
use portcullis::core::json::{Cursor, JsonError, Kind, MAX_DEPTH, Raw, quote};
use portcullis::core::payload::{Doc, Parse};
use serde::de::IgnoredAny;

/// What serde_json reads we read, and see the same in it. Where we read more, it is for the three reasons the
/// module names.
pub fn run(data: &[u8]) {
    let ours = Raw::parse(data);
    let theirs = serde_json::from_slice::<IgnoredAny>(data).is_ok();
    let walked = walk(data);
    assert!(
        ours.is_ok() || walked.is_err(),
        "the cursor reads what the walk refuses"
    );
    assert!(
        walked.is_ok() || !theirs || is_deep(data),
        "serde reads what the cursor refuses"
    );
    match ours {
        Ok(raw) => same(raw, data, theirs),
        Err(e) => assert!(!theirs || is_deep(data), "serde reads what we refuse: {e}"),
    }
    if let Ok(doc) = Doc::parse(&Bytes::copy_from_slice(data)) {
        for member in doc.members(data) {
            let value = doc.get(data, &member.key.as_str().unwrap_or_default());
            assert!(value.is_some() || member.key.as_str().is_none());
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let quoted = quote(text);
        let read: String = serde_json::from_slice(&quoted).expect("quoted text is a string");
        assert_eq!(read, text);
        assert_eq!(
            Raw::parse(&quoted).expect("ours").as_str().as_deref(),
            Some(text)
        );
    }
}

fn same(raw: Raw<'_>, data: &[u8], theirs: bool) {
    assert_eq!(
        raw.bytes(),
        data.trim_ascii_matches(),
        "a document is all but the blanks"
    );
    if !theirs {
        return;
    }
    let value: serde_json::Value = match serde_json::from_slice(data) {
        Ok(value) => value,
        // Numbers past what a float holds, and lone surrogates, are JSON but not its values.
        Err(_) => return,
    };
    let kind = match value {
        serde_json::Value::Null => Kind::Null,
        serde_json::Value::Bool(_) => Kind::Bool,
        serde_json::Value::Number(_) => Kind::Number,
        serde_json::Value::String(_) => Kind::String,
        serde_json::Value::Array(_) => Kind::Array,
        serde_json::Value::Object(_) => Kind::Object,
    };
    assert_eq!(raw.kind(), kind);
    assert_eq!(raw.as_bool(), value.as_bool());
    assert_eq!(raw.as_str().as_deref(), value.as_str());
    if let Some(list) = value.as_array() {
        assert_eq!(raw.elements().filter_map(Result::ok).count(), list.len());
    }
    if let Some(members) = value.as_object() {
        for (key, value) in members {
            let found = raw.get(key).expect("each key is found");
            assert_eq!(found.as_str().as_deref(), value.as_str(), "of {key}");
        }
    }
}

/// Steps into everything there is.
fn walk(data: &[u8]) -> Result<(), JsonError> {
    fn value(at: &mut Cursor<'_>) -> Result<(), JsonError> {
        let inside = at.object(|key, at| {
            key.as_str();
            value(at)
        })? || at.array(value)?;
        if !inside {
            let raw = at.value()?;
            assert!(
                raw.as_u64().is_none() || raw.as_count().is_some(),
                "a number counts"
            );
            assert!(
                raw.as_str().is_none() || raw.as_f64().is_none(),
                "text is no number"
            );
        }
        Ok(())
    }
    let mut cursor = Cursor::new(data)?;
    value(&mut cursor)?;
    cursor.end()
}

/// Whether it may be nested deeper than we read.
fn is_deep(data: &[u8]) -> bool {
    data.iter().filter(|b| matches!(b, b'[' | b'{')).count() >= MAX_DEPTH as usize
}

trait Blanks {
    fn trim_ascii_matches(&self) -> &[u8];
}

impl Blanks for [u8] {
    fn trim_ascii_matches(&self) -> &[u8] {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let start = self.iter().position(|b| !blank(b)).unwrap_or(self.len());
        let end = self
            .iter()
            .rposition(|b| !blank(b))
            .map_or(start, |at| at + 1);
        &self[start..end]
    }
}
