//! `GET models`, Anthropic's shape.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{Offer, Refusal},
    plan::Answer,
};

/// Answers the host's models, or one of them.
pub(crate) fn models(offer: &Offer, id: Option<&str>) -> Result<Answer, Refusal> {
    let body = match id {
        None => {
            let data: Vec<Value> = offer.models.iter().map(|id| model(id)).collect();
            json!({
                "data": data, "has_more": false,
                "first_id": offer.models.first(), "last_id": offer.models.last(),
            })
        }
        Some(id) if offer.models.iter().any(|known| known == id) => model(id),
        Some(id) => return Err((404, format!("model: {id}"))),
    };
    Ok(Answer::json(StatusCode::OK, &body).with("request-id", "req_testkit"))
}

fn model(id: &str) -> Value {
    json!({
        "type": "model", "id": id, "display_name": id, "created_at": "2026-10-21T00:00:00Z",
        "lifecycle": "active", "deprecated_at": null, "retires_at": null, "line": null,
        "max_input_tokens": 200_000, "max_tokens": 64_000, "capabilities": null,
    })
}
