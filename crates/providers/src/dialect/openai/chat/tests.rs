//! The laws of translation, and each pitfall by its name.

mod fields;
mod laws;
mod messages;
mod replies;
mod streams;

use http::Request;
use portcullis_core::error::Error;
use serde_json::{Value, json};

use super::ChatWire;
use crate::translate::{Conversation, Losses, Target, Wire, tools};

/// Reads a request and hands it to `look`, with what was lost.
fn reading<T>(
    body: &Value,
    look: impl FnOnce(&mut Conversation<'_>, &mut Losses) -> T,
) -> Result<T, Error> {
    let (body, head) = (body.to_string(), Request::new(()).into_parts().0);
    let mut losses = Losses::default();
    let mut conversation = ChatWire.read_request(&head, body.as_bytes(), &mut losses)?;
    tools::settle(&mut conversation)?;
    Ok(look(&mut conversation, &mut losses))
}

/// What a request becomes when it is read and written again, and the fields lost on the way.
fn again(body: &Value) -> Result<(Value, Vec<String>), Error> {
    reading(body, |conversation, losses| {
        let written = ChatWire.write_request(conversation, &Target::new("m"), losses)?;
        Ok((
            serde_json::from_slice(&written.body).unwrap(),
            fields(losses),
        ))
    })?
}

fn fields(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| loss.field.to_string()).collect()
}

/// A request with one message and this field.
fn with(key: &str, value: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "?"}]});
    body[key] = value.clone();
    body
}
