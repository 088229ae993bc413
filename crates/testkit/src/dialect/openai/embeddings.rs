//! `POST embeddings`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{
        Refusal,
        ask::Ask,
        checksum::{base64, fnv1a},
    },
    plan::Answer,
};

/// Answers one vector per input, as floats or as base64 of little-endian `f32`.
pub(crate) fn embeddings(ask: &Ask) -> Result<Answer, Refusal> {
    let inputs: Vec<&Value> = match &ask.body["input"] {
        Value::Null => return Err((400, "input: field required".to_owned())),
        Value::Array(list) if list.first().is_none_or(Value::is_number) => vec![&ask.body["input"]],
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let dimensions = ask.body["dimensions"].as_u64().unwrap_or(8).clamp(1, 8192);
    let coded = ask.body["encoding_format"] == "base64";
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, dimensions);
            let embedding = match coded {
                true => json!(base64(&little_endian(&vector))),
                false => json!(vector),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = ask.input_tokens;
    let body = json!({
        "object": "list", "data": data, "model": ask.model(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok(Answer::json(StatusCode::OK, &body).billed(tokens, 0))
}

/// Numbers between -1 and 1 that depend on the input alone and are exact in few digits.
fn vector(input: &Value, dimensions: u64) -> Vec<f32> {
    let seed = fnv1a(input.to_string().as_bytes());
    let number = |at: u64| {
        let hash = fnv1a(&[seed.to_le_bytes(), at.to_le_bytes()].concat());
        (hash % 513) as f32 / 256.0 - 1.0
    };
    (0..dimensions).map(number).collect()
}

fn little_endian(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}
