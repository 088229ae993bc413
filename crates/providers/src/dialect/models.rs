//! Lists of models, read in either shape and written in the caller's.

use bytes::Bytes;
use portcullis_core::json::Raw;
use serde_json::{Value, json};

/// A model as a list of models names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name to call it by.
    pub id: String,
    /// Who owns it, where that is known.
    pub owner: Option<String>,
    /// When it came to be, in seconds since 1970, where that is known.
    pub created: Option<u64>,
}

impl ModelEntry {
    /// A model of which only the name is known.
    pub fn named(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            owner: None,
            created: None,
        }
    }
}

/// Reads a list of models in OpenAI's or Anthropic's shape; both keep it under `data`.
pub fn list_models(body: &[u8]) -> Option<Vec<ModelEntry>> {
    let data = Raw::parse(body).ok()?.get("data")?;
    let entries = data.elements().map(|element| {
        let element = element.ok()?;
        let text = |key: &str| Some(element.get(key)?.as_str()?.into_owned());
        let created = element.get("created").and_then(Raw::as_u64);
        Some(ModelEntry {
            id: text("id")?,
            owner: text("owned_by"),
            created,
        })
    });
    entries.collect()
}

/// Writes one model in the shape of a dialect: Anthropic's for its own, OpenAI's for all others.
pub fn render_model(dialect: &str, model: &ModelEntry) -> Bytes {
    one(dialect, model).to_string().into()
}

/// Writes a list of models in the shape of a dialect: Anthropic's for its own, OpenAI's for all others.
pub fn render_models(dialect: &str, models: &[ModelEntry]) -> Bytes {
    let data: Vec<_> = models.iter().map(|model| one(dialect, model)).collect();
    let list = if is_anthropic(dialect) {
        let edge = |model: Option<&ModelEntry>| model.map(|m| m.id.clone());
        json!({
            "data": data,
            "has_more": false,
            "first_id": edge(models.first()),
            "last_id": edge(models.last()),
        })
    } else {
        json!({ "object": "list", "data": data })
    };
    list.to_string().into()
}

fn one(dialect: &str, model: &ModelEntry) -> Value {
    let created = model.created.unwrap_or(0);
    if is_anthropic(dialect) {
        let at =
            jiff::Timestamp::from_second(i64::try_from(created).unwrap_or(0)).unwrap_or_default();
        json!({ "type": "model", "id": model.id, "display_name": model.id, "created_at": at.to_string() })
    } else {
        let owner = model.owner.as_deref().unwrap_or("portcullis");
        json!({ "id": model.id, "object": "model", "created": created, "owned_by": owner })
    }
}

fn is_anthropic(dialect: &str) -> bool {
    dialect == "anthropic-messages"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_back_from_either_shape() {
        let models = [ModelEntry::named("a"), ModelEntry::named("b/c")];
        for dialect in ["openai-chat", "anthropic-messages"] {
            let read = list_models(&render_models(dialect, &models)).unwrap();
            let ids: Vec<_> = read.into_iter().map(|m| m.id).collect();
            assert_eq!(ids, ["a", "b/c"], "{dialect}");
        }
    }
}
