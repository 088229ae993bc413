//! Before the request line: the files whose content a configuration means.

use std::path::Path;

use serde_json::Value;

/// Every file a value names by `{file: path}`, as secrets and certificates are, in the order they stand.
///
/// This form means the content of a file wherever it stands, so that whoever has to know of a change of it
/// (a source that watches, a build that compares) finds it without knowing what the value is for.
pub fn files(value: &Value) -> Vec<&Path> {
    let mut found = Vec::new();
    collect(value, &mut found);
    found
}

/// The path, if the value is `{file: path}`.
pub fn file(value: &Value) -> Option<&Path> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    map.get("file")?.as_str().map(Path::new)
}

fn collect<'a>(value: &'a Value, found: &mut Vec<&'a Path>) {
    if let Some(path) = file(value) {
        found.push(path);
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_found_at_any_depth_and_nothing_else_is() {
        let value = json!({
            "a": [{"file": "one"}, {"file": "not", "other": 1}, {"file": 2}],
            "file": {"file": "two"},
        });
        assert_eq!(files(&value), [Path::new("one"), Path::new("two")]);
    }
}
