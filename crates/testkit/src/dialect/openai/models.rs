//! `GET models`, OpenAI's shape.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{Offer, Refusal, openai::CREATED},
    plan::Answer,
};

/// Answers the host's models, or one of them.
pub(crate) fn models(offer: &Offer, id: Option<&str>) -> Result<Answer, Refusal> {
    let body = match id {
        None => {
            let data: Vec<Value> = offer.models.iter().map(|id| model(id)).collect();
            json!({"object": "list", "data": data})
        }
        Some(id) if offer.models.iter().any(|known| known == id) => model(id),
        Some(id) => return Err((404, format!("the model {id:?} does not exist"))),
    };
    Ok(Answer::json(StatusCode::OK, &body))
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "testkit"})
}
