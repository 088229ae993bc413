//! Lists of models, read in any shape and written in the caller's.

use bytes::Bytes;
use portcullis_core::json::{Raw, quote};
use portcullis_core::payload::{Doc, Payload, set_member};
use serde_json::{Value, json};

/// A model as a list of models names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelEntry {
    /// The name to call it by.
    pub id: String,
    /// Its name for people, where it has one.
    pub display_name: Option<String>,
    /// Who owns it, where that is known.
    pub owner: Option<String>,
    /// When it came to be, in seconds since 1970, where that is known.
    pub created: Option<u64>,
    /// The entry as it was read. Written in the same shape it keeps all its members.
    written: Option<Bytes>,
}

impl ModelEntry {
    /// A model of which only the name is known.
    pub fn named(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            display_name: None,
            owner: None,
            created: None,
            written: None,
        }
    }

    /// Reads an entry whose name is under `key`.
    fn read(entry: Raw<'_>, key: &str) -> Option<Self> {
        let text = |key: &str| Some(entry.get(key)?.as_str()?.into_owned());
        let since_1970 = || {
            let at: jiff::Timestamp = text("created_at")?.parse().ok()?;
            u64::try_from(at.as_second()).ok()
        };
        let name = text(key)?;
        Some(Self {
            id: match name.strip_prefix("models/") {
                Some(googles) if key == "name" => googles.to_owned(),
                _ => name,
            },
            display_name: text("display_name").or_else(|| text("displayName")),
            owner: text("owned_by"),
            created: entry
                .get("created")
                .and_then(Raw::as_u64)
                .or_else(since_1970),
            written: Some(Bytes::copy_from_slice(entry.bytes())),
        })
    }
}

/// Reads a list of models in the shape of OpenAI or Anthropic, who keep it under `data`, or of Gemini, which
/// keeps it under `models`. `None` when it is no such list, or one of its entries has no name.
pub fn list_models(body: &[u8]) -> Option<Vec<ModelEntry>> {
    let list = Raw::parse(body).ok()?;
    let (entries, key) = match list.get("data") {
        Some(data) => (data, "id"),
        None => (list.get("models")?, "name"),
    };
    let entries = entries.elements();
    entries
        .map(|entry| ModelEntry::read(entry.ok()?, key))
        .collect()
}

/// How a dialect writes models.
struct Shape {
    /// The member with the name, and what stands before it there.
    name: (&'static str, &'static str),
    /// What every model has.
    required: &'static [&'static str],
    /// Writes one of which only the facts are known.
    anew: fn(&ModelEntry) -> Value,
    /// What the list begins with.
    open: &'static str,
}

static OPENAI: Shape = Shape {
    name: ("id", ""),
    required: &["id", "object", "created", "owned_by"],
    anew: openai,
    open: r#"{"object":"list","data":["#,
};

static ANTHROPIC: Shape = Shape {
    name: ("id", ""),
    required: &["id", "type", "display_name", "created_at", "lifecycle"],
    anew: anthropic,
    open: r#"{"data":["#,
};

static GEMINI: Shape = Shape {
    name: ("name", "models/"),
    required: &["name"],
    anew: gemini,
    open: r#"{"models":["#,
};

impl Shape {
    fn of(dialect: &str) -> &'static Self {
        match dialect {
            "anthropic-messages" => &ANTHROPIC,
            "gemini" => &GEMINI,
            _ => &OPENAI,
        }
    }
}

/// Writes one model in the shape of a dialect: Anthropic's and Gemini's for their own, OpenAI's for all others.
///
/// What was read in that shape keeps its members as they were written, under the name it has now. What is
/// not known is null where the shape allows it; a date is then 1970, an owner `portcullis`, and every model
/// `active`.
pub fn render_model(dialect: &str, model: &ModelEntry) -> Bytes {
    let shape = Shape::of(dialect);
    as_written(model, shape).unwrap_or_else(|| (shape.anew)(model).to_string().into())
}

/// Writes a list of models in the shape of a dialect, each as [`render_model`] does, on one page.
pub fn render_models(dialect: &str, models: &[ModelEntry]) -> Bytes {
    let mut list = Vec::with_capacity(128 * (models.len() + 1));
    list.extend_from_slice(Shape::of(dialect).open.as_bytes());
    for (at, model) in models.iter().enumerate() {
        list.extend_from_slice(if at > 0 { b"," } else { b"" });
        list.extend_from_slice(&render_model(dialect, model));
    }
    list.push(b']');
    if is_anthropic(dialect) {
        let edge = |model: Option<&ModelEntry>| json!(model.map(|m| &m.id));
        let (first, last) = (edge(models.first()), edge(models.last()));
        let page = format!(",\"has_more\":false,\"first_id\":{first},\"last_id\":{last}");
        list.extend_from_slice(page.as_bytes());
    }
    list.push(b'}');
    list.into()
}

/// Whether a dialect writes models as Anthropic does.
pub(crate) fn is_anthropic(dialect: &str) -> bool {
    dialect == "anthropic-messages"
}

/// The entry as it was read, if it has all a shape requires, under the name it has now.
fn as_written(model: &ModelEntry, shape: &Shape) -> Option<Bytes> {
    let mut entry = Payload::<Doc>::from(model.written.clone()?);
    let raw = entry.raw().clone();
    let object = Raw::parse(&raw).ok()?;
    if !shape.required.iter().all(|key| object.get(key).is_some()) {
        return None;
    }
    let (key, before) = shape.name;
    let name = format!("{before}{}", model.id);
    if object.get(key)?.as_str()? != name {
        let mut rename = set_member(object, key, quote(&name)).ok()?;
        entry.splice(&mut rename).ok()?;
    }
    Some(entry.raw().clone())
}

fn openai(model: &ModelEntry) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        "created": model.created.unwrap_or(0),
        "owned_by": model.owner.as_deref().unwrap_or("portcullis"),
    })
}

fn gemini(model: &ModelEntry) -> Value {
    json!({
        "name": format!("models/{}", model.id),
        "displayName": model.display_name.as_deref().unwrap_or(&model.id),
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

fn anthropic(model: &ModelEntry) -> Value {
    let created = model.created.and_then(|at| i64::try_from(at).ok());
    let created = created.and_then(|at| jiff::Timestamp::from_second(at).ok());
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.display_name.as_deref().unwrap_or(&model.id),
        "created_at": created.unwrap_or_default().to_string(),
        "lifecycle": "active",
        "deprecated_at": null,
        "retires_at": null,
        "line": null,
        "max_input_tokens": null,
        "max_tokens": null,
        "capabilities": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &[u8] =
        br#"{"data":[{"object":"model","id":"a","created":7,"owned_by":"me","context":1.0}]}"#;

    #[test]
    fn a_list_is_read_back_from_any_shape() {
        let models = [ModelEntry::named("a"), ModelEntry::named("b/\"c\"")];
        for dialect in ["openai-chat", "anthropic-messages", "gemini"] {
            let read = list_models(&render_models(dialect, &models)).unwrap();
            let ids: Vec<_> = read.into_iter().map(|m| m.id).collect();
            assert_eq!(ids, ["a", "b/\"c\""], "{dialect}");
        }
    }

    #[test]
    fn an_entry_keeps_its_members_in_its_own_shape_under_a_new_name() {
        let mut models = list_models(READ).unwrap();
        assert_eq!(
            render_models("openai-chat", &models),
            r#"{"object":"list","data":[{"object":"model","id":"a","created":7,"owned_by":"me","context":1.0}]}"#
        );
        models[0].id = "team/a".into();
        assert_eq!(
            render_model("openai-chat", &models[0]),
            r#"{"object":"model","id":"team/a","created":7,"owned_by":"me","context":1.0}"#
        );
    }

    #[test]
    fn an_entry_of_the_other_shape_is_written_with_all_its_readers_require() {
        let models = list_models(READ).unwrap();
        let list: Value =
            serde_json::from_slice(&render_models("anthropic-messages", &models)).unwrap();
        assert_eq!(
            list,
            json!({
                "data": [{
                    "type": "model", "id": "a", "display_name": "a",
                    "created_at": "1970-01-01T00:00:07Z", "lifecycle": "active",
                    "deprecated_at": null, "retires_at": null, "line": null,
                    "max_input_tokens": null, "max_tokens": null, "capabilities": null,
                }],
                "has_more": false, "first_id": "a", "last_id": "a",
            })
        );
        let anthropics = list_models(
            br#"{"data":[{"type":"model","id":"c","display_name":"C","created_at":"2026-09-01T00:00:00Z"}]}"#,
        );
        let openai = render_model("openai-chat", &anthropics.unwrap()[0]);
        assert_eq!(
            openai,
            r#"{"id":"c","object":"model","created":1788220800,"owned_by":"portcullis"}"#
        );
    }

    #[test]
    fn an_entry_without_what_its_own_shape_requires_is_written_anew() {
        let bare = list_models(br#"{"data":[{"id":"x","extra":true}]}"#).unwrap();
        assert_eq!(
            render_model("openai-chat", &bare[0]),
            r#"{"id":"x","object":"model","created":0,"owned_by":"portcullis"}"#
        );
    }

    #[test]
    fn geminis_models_have_their_collection_before_their_names() {
        let list = br#"{"models":[{"name":"models/g","displayName":"G","inputTokenLimit":9}]}"#;
        let mut models = list_models(list).unwrap();
        assert_eq!(models[0].id, "g");
        assert_eq!(render_models("gemini", &models), &list[..]);
        models[0].id = "team/g".into();
        assert_eq!(
            render_model("gemini", &models[0]),
            r#"{"name":"models/team/g","displayName":"G","inputTokenLimit":9}"#
        );
        let other = ModelEntry::named("gpt-x");
        let written: Value = serde_json::from_slice(&render_model("gemini", &other)).unwrap();
        assert_eq!(written["name"], "models/gpt-x");
    }

    #[test]
    fn an_empty_list_has_no_edges() {
        assert_eq!(
            render_models("anthropic-messages", &[]),
            r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#
        );
        assert_eq!(
            render_models("openai-chat", &[]),
            r#"{"object":"list","data":[]}"#
        );
    }

    #[test]
    fn what_is_no_list_is_not_read_as_an_empty_one() {
        for body in [
            &b"<html>"[..],
            b"{}",
            b"[]",
            br#"{"data":{}}"#,
            br#"{"data":[{"name":"no id"}]}"#,
            br#"{"error":{"message":"no"}}"#,
        ] {
            assert_eq!(list_models(body), None);
        }
    }
}
