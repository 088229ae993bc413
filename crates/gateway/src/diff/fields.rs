//! Before the request line: two values compared field by field, secrets hidden.

use portcullis_core::config::Pointer;
use serde::Serialize;
use serde_json::Value;

use crate::source;

/// More of a value than this is not shown.
const MAX_SHOWN: usize = 120;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldDiff {
    /// Its place in the object; a policy, and whatever has a name, is known by that, and not by its number.
    pub at: String,
    /// What it was, as JSON; nothing if it was not there. `"[secret]"` for what may be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The fields in which two values differ.
pub(super) fn compare(old: &Value, new: &Value) -> Vec<FieldDiff> {
    let mut found = Vec::new();
    walk(&Pointer::root(), Some(old), Some(new), false, &mut found);
    found
}

fn walk(
    at: &Pointer,
    old: Option<&Value>,
    new: Option<&Value>,
    secret: bool,
    found: &mut Vec<FieldDiff>,
) {
    if old == new {
        return;
    }
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let (old_name, new_name) = (old.get("name"), new.get("name"));
                let named =
                    key == "value" && (is_secret_name(old_name) || is_secret_name(new_name));
                let secret = secret || named;
                walk(&at.key(key), old.get(key), new.get(key), secret, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let (old, new) = (labelled(old), labelled(new));
            let only_new = new.iter().filter(|(label, _)| get(&old, label).is_none());
            for (label, _) in old.iter().chain(only_new) {
                let (old, new) = (get(&old, label), get(&new, label));
                walk(&at.key(label), old, new, secret, found);
            }
            if found.iter().all(|field| !field.at.starts_with(at.as_str())) {
                found.push(FieldDiff {
                    at: at.to_string(),
                    old: Some("the same in another order".to_owned()),
                    new: None,
                });
            }
        }
        _ => found.push(FieldDiff {
            at: at.to_string(),
            old: old.map(|value| shown(at, value, secret)),
            new: new.map(|value| shown(at, value, secret)),
        }),
    }
}

/// The items of a list, each with what it is known by.
fn labelled(items: &[Value]) -> Vec<(String, &Value)> {
    let mut labelled: Vec<(String, &Value)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let label = label(item).filter(|label| labelled.iter().all(|(l, _)| l != label));
        labelled.push((label.unwrap_or_else(|| index.to_string()), item));
    }
    labelled
}

/// A policy's name with its id, or the name or id of whatever has one.
fn label(item: &Value) -> Option<String> {
    let map = item.as_object()?;
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    if let Some(name) = text("name").or_else(|| text("match")) {
        return Some(name.to_owned());
    }
    let id = text("id");
    let mut others = map.keys().filter(|key| *key != "id" && *key != "when");
    match (others.next(), others.next(), id) {
        (Some(policy), None, None) if map[policy].is_object() => Some(policy.clone()),
        (Some(policy), None, Some(id)) if map[policy].is_object() => Some(format!("{policy} {id}")),
        (_, _, Some(id)) => Some(id.to_owned()),
        _ => None,
    }
}

fn get<'a>(items: &[(String, &'a Value)], label: &str) -> Option<&'a Value> {
    items
        .iter()
        .find(|(l, _)| l == label)
        .map(|(_, item)| *item)
}

fn is_secret_name(name: Option<&Value>) -> bool {
    name.and_then(Value::as_str)
        .is_some_and(source::sounds_secret)
}

/// A value as JSON, everything in it that may be secret hidden.
fn shown(at: &Pointer, value: &Value, secret: bool) -> String {
    let text = hidden(at, value, secret).to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn hidden(at: &Pointer, value: &Value, secret: bool) -> Value {
    match value {
        Value::Object(map) => {
            let named = is_secret_name(map.get("name"));
            let entry = |(key, value): (&String, &Value)| {
                let secret = secret || (named && key == "value");
                (key.clone(), hidden(&at.key(key), value, secret))
            };
            Value::Object(map.iter().map(entry).collect())
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| hidden(&at.index(index), item, secret))
                .collect()
        }
        Value::String(text) if secret || source::is_secret(at) || has_user(text) => {
            source::HIDDEN.into()
        }
        Value::Number(_) if secret || source::is_secret(at) => source::HIDDEN.into(),
        other => other.clone(),
    }
}

/// Whether it is a URL with a user and perhaps a password in it.
fn has_user(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest);
    authority.is_some_and(|rest| rest.split('/').next().is_some_and(|a| a.contains('@')))
}
