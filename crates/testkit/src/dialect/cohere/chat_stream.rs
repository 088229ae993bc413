//! The events of a streamed answer.

use serde_json::{Value, json};

use crate::{
    dialect::{
        ask::Say,
        cohere::chat::{PLAN, Reply, THOUGHT},
    },
    plan::Piece,
};

/// All events, from `message-start` to `[DONE]`.
pub(super) fn events(reply: &Reply<'_>) -> Vec<Piece> {
    let begun = json!({
        "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [],
    });
    let start = json!({"id": reply.id(), "type": "message-start", "delta": {"message": begun}});
    let mut events = vec![event(&start, 0)];
    if reply.thinks {
        content(&mut events, 0, "thinking", &[THOUGHT.to_owned()]);
    }
    let parts = reply.say.parts();
    match &reply.say {
        Say::Text(_) => content(&mut events, u64::from(reply.thinks), "text", &parts),
        Say::Call { name, .. } => {
            events.push(said(
                None,
                "tool-plan-delta",
                &json!({"tool_plan": PLAN}),
                1,
            ));
            let begun = json!({"tool_calls": reply.call(name, "")});
            events.push(said(Some(0), "tool-call-start", &begun, 0));
            for part in &parts {
                let more = json!({"tool_calls": {"function": {"arguments": part}}});
                events.push(said(Some(0), "tool-call-delta", &more, 1));
            }
            events.push(event(&json!({"type": "tool-call-end", "index": 0}), 0));
        }
    }
    let delta = json!({"finish_reason": reply.reason, "usage": reply.usage()});
    events.push(event(&json!({"type": "message-end", "delta": delta}), 0));
    events.push("data: [DONE]\n\n".into());
    events
}

fn content(events: &mut Vec<Piece>, index: u64, kind: &str, parts: &[String]) {
    let begun = json!({"content": {"type": kind, kind: ""}});
    events.push(said(Some(index), "content-start", &begun, 0));
    for part in parts {
        let more = json!({"content": {kind: part}});
        events.push(said(Some(index), "content-delta", &more, 1));
    }
    events.push(event(&json!({"type": "content-end", "index": index}), 0));
}

fn said(index: Option<u64>, kind: &str, message: &Value, tokens: u64) -> Piece {
    let mut data = json!({"type": kind, "delta": {"message": message}});
    if let Some(index) = index {
        data["index"] = json!(index);
    }
    event(&data, tokens)
}

fn event(data: &Value, tokens: u64) -> Piece {
    let kind = data["type"].as_str().unwrap_or_default();
    Piece {
        bytes: format!("event: {kind}\ndata: {data}\n\n").into(),
        tokens,
    }
}
