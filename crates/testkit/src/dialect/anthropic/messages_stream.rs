//! The events of a streamed message.

use serde_json::{Value, json};

use crate::{
    dialect::{
        anthropic::messages::{Message, THINKING_TOKENS},
        ask::Say,
    },
    plan::Piece,
};

/// All events, from `message_start` to `message_stop`, with a `ping` as the vendor sends one.
pub(super) fn events(message: &Message<'_>) -> Vec<Piece> {
    let mut events = vec![
        event(
            &json!({"type": "message_start", "message": message.begun()}),
            0,
        ),
        event(&json!({"type": "ping"}), 0),
    ];
    if message.thinks {
        thinking(&mut events);
    }
    said(&mut events, message, u64::from(message.thinks));
    let usage = message.usage(message.output_tokens());
    let delta = json!({
        "stop_reason": message.stop, "stop_sequence": null, "stop_details": null,
        "container": null,
    });
    events.push(event(
        &json!({"type": "message_delta", "delta": delta, "usage": usage}),
        0,
    ));
    events.push(event(&json!({"type": "message_stop"}), 0));
    events
}

fn thinking(events: &mut Vec<Piece>) {
    let block = json!({"type": "thinking", "thinking": "", "signature": ""});
    let thought = json!({"type": "thinking_delta", "thinking": "What to say?"});
    let signature = json!({"type": "signature_delta", "signature": "c2lnbmVk"});
    events.push(start(0, &block));
    events.push(delta(0, &thought, THINKING_TOKENS));
    events.push(delta(0, &signature, 0));
    events.push(stop(0));
}

fn said(events: &mut Vec<Piece>, message: &Message<'_>, index: u64) {
    let block = match &message.say {
        Say::Text(_) => json!({"type": "text", "text": "", "citations": null}),
        Say::Call { .. } => message.call_block(&json!({})),
    };
    events.push(start(index, &block));
    for part in message.say.parts() {
        let said = match &message.say {
            Say::Text(_) => json!({"type": "text_delta", "text": part}),
            Say::Call { .. } => json!({"type": "input_json_delta", "partial_json": part}),
        };
        events.push(delta(index, &said, 1));
    }
    events.push(stop(index));
}

fn start(index: u64, block: &Value) -> Piece {
    let data = json!({"type": "content_block_start", "index": index, "content_block": block});
    event(&data, 0)
}

fn delta(index: u64, delta: &Value, tokens: u64) -> Piece {
    let data = json!({"type": "content_block_delta", "index": index, "delta": delta});
    event(&data, tokens)
}

fn stop(index: u64) -> Piece {
    event(&json!({"type": "content_block_stop", "index": index}), 0)
}

fn event(data: &Value, tokens: u64) -> Piece {
    let kind = data["type"].as_str().unwrap_or_default();
    Piece {
        bytes: format!("event: {kind}\ndata: {data}\n\n").into(),
        tokens,
    }
}
