//! Backend: the answers of `echo` as Anthropic messages.

use std::iter::once;

use bytes::Bytes;
use portcullis_core::error::Error;
use portcullis_core::wire::sse;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Said};
use super::paced::Pieces;
use super::read::{self, Tools};
use super::service::{Reply, Stamp};
use super::turns::{Texts, Turns};

#[derive(Deserialize)]
struct Asked<'a> {
    messages: Turns,
    #[serde(default)]
    system: Texts,
    max_tokens: Option<u64>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
}

/// Answers `POST /messages`.
pub(super) fn answer(body: &[u8], stream: bool, stamp: &Stamp) -> Result<Reply, Error> {
    let mut asked: Asked<'_> = read::read(body)?;
    let Some(max) = asked.max_tokens else {
        return Err(read::invalid("max_tokens", "missing field `max_tokens`"));
    };
    asked.messages.add_words(&asked.system);
    let tools = Tools::read(asked.tools, asked.tool_choice)?;
    let answer = Answer::to(&asked.messages, &tools, Some(max));
    Ok(match stream {
        true => Reply::Events(events(stamp, &answer)),
        false => Reply::Whole(whole(stamp, &answer)),
    })
}

/// Answers `POST /messages/count_tokens`.
pub(super) fn count(body: &[u8]) -> Result<Reply, Error> {
    let mut asked: Asked<'_> = read::read(body)?;
    asked.messages.add_words(&asked.system);
    let counted = json!({"input_tokens": asked.messages.words()});
    Ok(Reply::Whole(counted.to_string().into()))
}

fn whole(stamp: &Stamp, answer: &Answer) -> Bytes {
    let content = match &answer.said {
        Said::Text(text) if text.is_empty() => json!([]),
        Said::Text(text) => json!([{"type": "text", "text": &**text}]),
        Said::Call { name, arguments } => {
            let input: Value =
                serde_json::from_str(arguments).expect("what asked for a call was an object");
            json!([tool_use(stamp, name, &input)])
        }
    };
    let reason = stop_reason(answer);
    message(stamp, &content, Some(reason), answer.input, answer.output)
        .to_string()
        .into()
}

fn events(stamp: &Stamp, answer: &Answer) -> Pieces {
    let is_call = matches!(answer.said, Said::Call { .. });
    let opening = opening(stamp, answer);
    let closing = closing(answer);
    let middle = answer.said.words().map(move |word| {
        let delta = match is_call {
            true => json!({"type": "input_json_delta", "partial_json": word}),
            false => json!({"type": "text_delta", "text": word}),
        };
        event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    });
    Box::new(once(opening).chain(middle).chain(once(closing)))
}

fn opening(stamp: &Stamp, answer: &Answer) -> Bytes {
    let message = message(stamp, &json!([]), None, answer.input, 0);
    let mut first = Vec::from(event(&json!({"type": "message_start", "message": message})));
    let block = match &answer.said {
        Said::Text(text) if text.is_empty() => return first.into(),
        Said::Text(_) => json!({"type": "text", "text": ""}),
        Said::Call { name, .. } => tool_use(stamp, name, &json!({})),
    };
    let start = json!({"type": "content_block_start", "index": 0, "content_block": block});
    first.extend(event(&start));
    first.into()
}

fn closing(answer: &Answer) -> Bytes {
    let mut last = Vec::new();
    if !matches!(&answer.said, Said::Text(text) if text.is_empty()) {
        last.extend(event(&json!({"type": "content_block_stop", "index": 0})));
    }
    last.extend(event(&json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": usage(answer.input, answer.output),
    })));
    last.extend(event(&json!({"type": "message_stop"})));
    last.into()
}

fn event(data: &Value) -> Bytes {
    sse::encode(data["type"].as_str(), data.to_string().as_bytes())
}

fn message(
    stamp: &Stamp,
    content: &Value,
    stop_reason: Option<&str>,
    input: u64,
    output: u64,
) -> Value {
    json!({
        "id": format!("msg_echo_{}", stamp.id),
        "type": "message",
        "role": "assistant",
        "model": &*stamp.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": usage(input, output),
    })
}

fn tool_use(stamp: &Stamp, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": stamp.call_id("toolu"), "name": name, "input": input})
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.said {
        Said::Call { .. } => "tool_use",
        Said::Text(_) if answer.cut => "max_tokens",
        Said::Text(_) => "end_turn",
    }
}

fn usage(input: u64, output: u64) -> Value {
    json!({
        "input_tokens": input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
    })
}
