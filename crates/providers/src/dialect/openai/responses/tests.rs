//! The laws of translation, and each pitfall by its name.

mod fields;
mod items;
mod laws;
mod streams;

use http::Request;
use portcullis_core::error::Error;
use serde_json::{Value, json};

use super::ResponsesWire;
use crate::translate::{Conversation, Losses, Target, Wire, tools};

/// Reads a request and hands it to `look`, with what was lost.
fn reading<T>(
    body: &Value,
    look: impl FnOnce(&mut Conversation<'_>, &mut Losses) -> T,
) -> Result<T, Error> {
    let (body, head) = (body.to_string(), Request::new(()).into_parts().0);
    let mut losses = Losses::default();
    let mut conversation = ResponsesWire.read_request(&head, body.as_bytes(), &mut losses)?;
    tools::settle(&mut conversation)?;
    Ok(look(&mut conversation, &mut losses))
}

/// What a request becomes when it is read and written by `to`, and the fields lost on the way.
fn written_by(to: &dyn Wire, body: &Value) -> Result<(Value, Vec<String>), Error> {
    reading(body, |conversation, losses| {
        let written = to.write_request(conversation, &Target::new("m"), losses)?;
        let body = serde_json::from_slice(&written.body).unwrap();
        Ok((body, fields(losses)))
    })?
}

fn again(body: &Value) -> Result<(Value, Vec<String>), Error> {
    written_by(&ResponsesWire, body)
}

fn fields(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| loss.field.to_string()).collect()
}

/// A request with one text and this field.
fn with(key: &str, value: &Value) -> Value {
    let mut body = json!({"model": "m", "input": "?"});
    body[key] = value.clone();
    body
}
