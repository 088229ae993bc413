//! Backend: the answers of `echo` as OpenAI chat completions.

use std::iter::once;
use std::num::NonZero;

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
use super::turns::Turns;

#[derive(Deserialize)]
struct Asked<'a> {
    messages: Turns,
    max_tokens: Option<NonZero<u64>>,
    max_completion_tokens: Option<NonZero<u64>>,
    n: Option<u64>,
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// Answers `POST /chat/completions`.
pub(super) fn answer(body: &[u8], stream: bool, stamp: Stamp) -> Result<Reply, Error> {
    let asked: Asked<'_> = read::read(body)?;
    if asked.n.is_some_and(|n| n != 1) {
        return Err(read::invalid("n", "`echo` gives one choice only"));
    }
    let tools = Tools::read(asked.tools, asked.tool_choice)?;
    let max = asked.max_completion_tokens.or(asked.max_tokens);
    let answer = Answer::to(&asked.messages, &tools, max.map(NonZero::get));
    if !stream {
        return Ok(Reply::Whole(whole(&stamp, &answer)));
    }
    let usage = asked.stream_options.and_then(|o| o.include_usage);
    let chunks = Chunks {
        stamp,
        usage: usage.unwrap_or_default(),
    };
    Ok(Reply::Events(chunks.of(&answer)))
}

fn whole(stamp: &Stamp, answer: &Answer) -> Bytes {
    let (content, calls) = match &answer.said {
        Said::Text(text) => (json!(&**text), None),
        Said::Call { name, arguments } => (Value::Null, Some(call(stamp, name, arguments))),
    };
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    match calls {
        Some(call) => message["tool_calls"] = json!([call]),
        None => message["annotations"] = json!([]),
    }
    let reply = json!({
        "id": id(stamp),
        "object": "chat.completion",
        "created": stamp.created,
        "model": &*stamp.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish(answer),
        }],
        "usage": usage(answer),
    });
    reply.to_string().into()
}

/// The chunks of one stream.
struct Chunks {
    stamp: Stamp,
    /// Whether usage was asked for.
    usage: bool,
}

impl Chunks {
    fn of(self, answer: &Answer) -> Pieces {
        let first = match &answer.said {
            Said::Text(_) => json!({"role": "assistant", "content": "", "refusal": null}),
            Said::Call { name, .. } => {
                let mut call = call(&self.stamp, name, "");
                call["index"] = 0.into();
                json!({"role": "assistant", "content": null, "tool_calls": [call]})
            }
        };
        let is_call = matches!(answer.said, Said::Call { .. });
        let opening = self.delta(&first, None);
        let closing = self.closing(answer);
        let middle = answer.said.words().map(move |word| {
            let delta = match is_call {
                true => json!({"tool_calls": [{"index": 0, "function": {"arguments": word}}]}),
                false => json!({"content": word}),
            };
            self.delta(&delta, None)
        });
        Box::new(once(opening).chain(middle).chain(once(closing)))
    }

    fn delta(&self, delta: &Value, finish: Option<&str>) -> Bytes {
        let choice = json!({
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish,
        });
        self.chunk(&json!([choice]), &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Bytes {
        let mut chunk = json!({
            "id": id(&self.stamp),
            "object": "chat.completion.chunk",
            "created": self.stamp.created,
            "model": &*self.stamp.model,
            "choices": choices,
        });
        if self.usage {
            chunk["usage"] = usage.clone();
        }
        sse::encode(None, chunk.to_string().as_bytes())
    }

    fn closing(&self, answer: &Answer) -> Bytes {
        let mut last = Vec::from(self.delta(&json!({}), Some(finish(answer))));
        if self.usage {
            last.extend(self.chunk(&json!([]), &usage(answer)));
        }
        last.extend(sse::encode(None, b"[DONE]"));
        last.into()
    }
}

fn id(stamp: &Stamp) -> String {
    format!("chatcmpl-echo-{}", stamp.id)
}

fn call(stamp: &Stamp, name: &str, arguments: &str) -> Value {
    json!({
        "id": stamp.call_id("call"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    })
}

fn finish(answer: &Answer) -> &'static str {
    match answer.said {
        Said::Call { .. } => "tool_calls",
        Said::Text(_) if answer.cut => "length",
        Said::Text(_) => "stop",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input,
        "completion_tokens": answer.output,
        "total_tokens": answer.input + answer.output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    })
}
