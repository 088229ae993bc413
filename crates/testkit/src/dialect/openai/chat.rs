//! `POST chat/completions`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{
        Refusal,
        ask::{Ask, Say},
        openai::{CREATED, check, tool},
    },
    plan::{Answer, Piece},
};

/// Answers with `choices`, or with their chunks.
pub(crate) fn chat(ask: &Ask) -> Result<Answer, Refusal> {
    let messages = ask.body["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty());
    let messages = messages.ok_or((400, "messages: at least one is required".to_owned()))?;
    check::messages(messages)?;
    check::tools(&ask.body["tools"])?;
    let answered = messages
        .last()
        .is_some_and(|message| message["role"] == "tool");
    let (say, finish) = match ask.call(answered, tool) {
        Some(call) => (call, "tool_calls"),
        None => text(ask),
    };
    let chat = Chat {
        ask,
        choices: ask.body["n"].as_u64().unwrap_or(1).max(1),
        say,
        finish,
    };
    Ok(match ask.stream() {
        true => chat.streamed(),
        false => chat.whole(),
    })
}

fn text(ask: &Ask) -> (Say, &'static str) {
    let newer = &ask.body["max_completion_tokens"];
    let limit = if newer.is_null() {
        &ask.body["max_tokens"]
    } else {
        newer
    };
    let schema = &ask.body["response_format"]["json_schema"]["schema"];
    let (words, cut) = ask.words(limit, schema);
    (Say::Text(words), if cut { "length" } else { "stop" })
}

struct Chat<'a> {
    ask: &'a Ask,
    choices: u64,
    say: Say,
    finish: &'static str,
}

impl Chat<'_> {
    fn whole(&self) -> Answer {
        let message = match &self.say {
            Say::Text(words) => json!({
                "role": "assistant", "content": words.concat(), "refusal": null, "annotations": [],
            }),
            Say::Call { name, arguments } => json!({
                "role": "assistant", "content": null, "refusal": null, "annotations": [],
                "tool_calls": [{
                    "id": self.ask.id("call_"), "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }],
            }),
        };
        let choice = |index| {
            json!({
                "index": index, "message": message, "logprobs": null, "finish_reason": self.finish,
            })
        };
        let body = json!({
            "id": self.ask.id("chatcmpl-"), "object": "chat.completion", "created": CREATED,
            "model": self.ask.model(), "choices": (0..self.choices).map(choice).collect::<Vec<_>>(),
            "usage": self.usage(), "service_tier": "default", "system_fingerprint": "fp_testkit",
        });
        Answer::json(StatusCode::OK, &body)
            .with("x-request-id", "req_testkit")
            .billed(self.ask.input_tokens, self.output_tokens())
    }

    fn streamed(&self) -> Answer {
        let mut events = Vec::new();
        for index in 0..self.choices {
            events.push(self.chunk(index, &self.opening(), &Value::Null));
            for part in self.say.parts() {
                let event = self.chunk(index, &self.delta(&part), &Value::Null);
                events.push(Piece { tokens: 1, ..event });
            }
            events.push(self.chunk(index, &json!({}), &json!(self.finish)));
        }
        if self.asks_usage() {
            events.push(self.event(&json!([]), self.usage()));
        }
        events.push("data: [DONE]\n\n".into());
        Answer::events(events)
            .with("x-request-id", "req_testkit")
            .billed(self.ask.input_tokens, 0)
    }

    fn opening(&self) -> Value {
        match &self.say {
            Say::Text(_) => json!({"role": "assistant", "content": "", "refusal": null}),
            Say::Call { name, .. } => json!({
                "role": "assistant", "content": null,
                "tool_calls": [{
                    "index": 0, "id": self.ask.id("call_"), "type": "function",
                    "function": {"name": name, "arguments": ""},
                }],
            }),
        }
    }

    fn delta(&self, part: &str) -> Value {
        match &self.say {
            Say::Text(_) => json!({"content": part}),
            Say::Call { .. } => {
                json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
            }
        }
    }

    fn chunk(&self, index: u64, delta: &Value, finish: &Value) -> Piece {
        let choice = json!({
            "index": index, "delta": delta, "logprobs": null, "finish_reason": finish,
        });
        self.event(&json!([choice]), Value::Null)
    }

    /// A chunk; `usage` is a key only for those who asked for it.
    fn event(&self, choices: &Value, usage: Value) -> Piece {
        let mut chunk = json!({
            "id": self.ask.id("chatcmpl-"), "object": "chat.completion.chunk", "created": CREATED,
            "model": self.ask.model(), "service_tier": "default",
            "system_fingerprint": "fp_testkit", "choices": choices,
        });
        if self.asks_usage() {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n").into()
    }

    fn asks_usage(&self) -> bool {
        self.ask.body["stream_options"]["include_usage"] == true
    }

    fn output_tokens(&self) -> u64 {
        self.say.tokens() * self.choices
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.ask.input_tokens, self.output_tokens());
        json!({
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }
}
