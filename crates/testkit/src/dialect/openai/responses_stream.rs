//! The events of a streamed response.

use serde_json::{Value, json};

use crate::{
    dialect::{
        ask::Say,
        openai::responses::{Responses, text_part},
    },
    plan::Piece,
};

/// All events, numbered, the last one terminal.
pub(super) fn events(answer: &Responses<'_>) -> Vec<Piece> {
    let mut events = Events::default();
    let begun = answer.begun("in_progress");
    events.push(json!({"type": "response.created", "response": begun}));
    events.push(json!({"type": "response.in_progress", "response": begun}));
    events.push(json!({
        "type": "response.output_item.added", "output_index": 0,
        "item": answer.item("in_progress"),
    }));
    match &answer.say {
        Say::Text(words) => text(&mut events, &answer.item_id(), words),
        Say::Call { name, arguments } => {
            let parts = answer.say.parts();
            call(&mut events, &answer.item_id(), name, arguments, &parts);
        }
    }
    events.push(json!({
        "type": "response.output_item.done", "output_index": 0, "item": answer.item("completed"),
    }));
    let finished = answer.finished();
    let status = finished["status"].as_str().unwrap_or("completed");
    events.push(json!({"type": format!("response.{status}"), "response": finished}));
    events.0
}

fn text(events: &mut Events, item: &str, words: &[String]) {
    let at = json!({"item_id": item, "output_index": 0, "content_index": 0});
    let part = |kind: &str, text: &str| json!({"type": kind, "part": text_part(text)});
    events.push(merged(part("response.content_part.added", ""), &at));
    for word in words {
        let delta = json!({"type": "response.output_text.delta", "delta": word, "logprobs": []});
        events.push(merged(delta, &at));
        events.bill();
    }
    let whole = words.concat();
    let done = json!({"type": "response.output_text.done", "text": whole, "logprobs": []});
    events.push(merged(done, &at));
    events.push(merged(part("response.content_part.done", &whole), &at));
}

fn call(events: &mut Events, item: &str, name: &str, arguments: &str, parts: &[String]) {
    for part in parts {
        events.push(json!({
            "type": "response.function_call_arguments.delta", "item_id": item, "output_index": 0,
            "delta": part,
        }));
        events.bill();
    }
    events.push(json!({
        "type": "response.function_call_arguments.done", "item_id": item, "output_index": 0,
        "name": name, "arguments": arguments,
    }));
}

fn merged(mut event: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        event[key] = value.clone();
    }
    event
}

#[derive(Default)]
struct Events(Vec<Piece>);

impl Events {
    fn push(&mut self, mut event: Value) {
        event["sequence_number"] = json!(self.0.len());
        let kind = event["type"].as_str().unwrap_or_default();
        self.0
            .push(format!("event: {kind}\ndata: {event}\n\n").into());
    }

    /// Bills one token with the event just pushed.
    fn bill(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.tokens = 1;
        }
    }
}
