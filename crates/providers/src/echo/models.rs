//! Backend: `echo` in lists of models.

use serde_json::{Value, json};

use super::MODEL;
use super::service::{Reply, Stamp};

/// When the model came to be, in seconds since 1970 and as text.
const CREATED: (u64, &str) = (1_767_225_600, "2026-01-01T00:00:00Z");

/// Answers OpenAI's `GET /models`.
pub(super) fn openai_list() -> Reply {
    reply(&json!({"object": "list", "data": [openai_model(MODEL)]}))
}

/// Answers OpenAI's `GET /models/{id}`: echo goes by any name.
pub(super) fn openai(stamp: &Stamp) -> Reply {
    reply(&openai_model(&stamp.model))
}

/// Answers Anthropic's `GET /models`.
pub(super) fn anthropic_list() -> Reply {
    reply(&json!({
        "data": [anthropic_model(MODEL)],
        "has_more": false,
        "first_id": MODEL,
        "last_id": MODEL,
    }))
}

/// Answers Anthropic's `GET /models/{id}`: echo goes by any name.
pub(super) fn anthropic(stamp: &Stamp) -> Reply {
    reply(&anthropic_model(&stamp.model))
}

fn openai_model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED.0, "owned_by": "portcullis"})
}

fn anthropic_model(id: &str) -> Value {
    json!({
        "type": "model",
        "id": id,
        "display_name": "Echo",
        "created_at": CREATED.1,
        "lifecycle": "active",
    })
}

fn reply(json: &Value) -> Reply {
    Reply::Whole(json.to_string().into())
}
