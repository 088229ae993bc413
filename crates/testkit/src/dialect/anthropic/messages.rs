//! `POST messages` and `POST messages/count_tokens`.

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::{
    dialect::{
        Refusal,
        anthropic::messages_stream,
        ask::{Ask, Say},
    },
    plan::Answer,
};

/// Thinking costs this many output tokens.
pub(super) const THINKING_TOKENS: u64 = 3;

/// Answers a message, or the events that build it.
pub(crate) fn messages(ask: &Ask, version: Option<&HeaderValue>) -> Result<Answer, Refusal> {
    let messages = checked(ask)?;
    if ask.body["max_tokens"].as_u64().is_none_or(|max| max == 0) {
        return Err((400, "max_tokens: field required".to_owned()));
    }
    if version.is_some_and(|version| version == "2026-10-21") {
        refuse_sampling(ask)?;
    }
    let results = messages
        .last()
        .and_then(|message| message["content"].as_array());
    let is_result = |block: &Value| block["type"] == "tool_result";
    let answered = results.is_some_and(|blocks| blocks.iter().any(is_result));
    let (say, stop) = match ask.call(answered, tool) {
        Some(call) => (call, "tool_use"),
        None => {
            let schema = &ask.body["output_config"]["format"]["schema"];
            let (words, cut) = ask.words(&ask.body["max_tokens"], schema);
            (
                Say::Text(words),
                if cut { "max_tokens" } else { "end_turn" },
            )
        }
    };
    let kind = ask.body["thinking"]["type"].as_str();
    let thinks = kind.is_some_and(|kind| kind != "disabled");
    let message = Message {
        ask,
        say,
        stop,
        thinks,
    };
    Ok(match ask.stream() {
        true => Answer::events(messages_stream::events(&message)).billed(ask.input_tokens, 0),
        false => Answer::json(StatusCode::OK, &message.whole())
            .billed(ask.input_tokens, message.output_tokens()),
    }
    .with("request-id", "req_testkit"))
}

/// Answers the number that a message with the same body would be billed.
pub(crate) fn count_tokens(ask: &Ask) -> Result<Answer, Refusal> {
    checked(ask)?;
    let body = json!({"input_tokens": ask.input_tokens});
    Ok(Answer::json(StatusCode::OK, &body).with("request-id", "req_testkit"))
}

fn checked(ask: &Ask) -> Result<&Vec<Value>, Refusal> {
    let messages = ask.body["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty());
    messages.ok_or((400, "messages: at least one message is required".to_owned()))
}

/// The newest version takes no sampling parameters.
fn refuse_sampling(ask: &Ask) -> Result<(), Refusal> {
    match ["temperature", "top_p", "top_k"]
        .iter()
        .find(|key| !ask.body[**key].is_null())
    {
        Some(key) => Err((400, format!("{key}: not accepted at version 2026-10-21"))),
        None => Ok(()),
    }
}

fn tool(tool: &Value) -> Option<(&str, &Value)> {
    Some((tool["name"].as_str()?, &tool["input_schema"]))
}

pub(super) struct Message<'a> {
    ask: &'a Ask,
    pub(super) say: Say,
    pub(super) stop: &'static str,
    pub(super) thinks: bool,
}

impl Message<'_> {
    fn whole(&self) -> Value {
        let mut message = self.begun();
        let mut content = Vec::new();
        if self.thinks {
            content.push(json!({
                "type": "thinking", "thinking": "What to say?", "signature": "c2lnbmVk",
            }));
        }
        content.push(match &self.say {
            Say::Text(words) => {
                json!({"type": "text", "text": words.concat(), "citations": null})
            }
            Say::Call { arguments, .. } => {
                let input: Value = serde_json::from_str(arguments).unwrap_or_default();
                self.call_block(&input)
            }
        });
        message["content"] = json!(content);
        message["stop_reason"] = json!(self.stop);
        message["usage"] = self.usage(self.output_tokens());
        message
    }

    /// The message as `message_start` shows it.
    pub(super) fn begun(&self) -> Value {
        json!({
            "id": self.ask.id("msg_"), "type": "message", "role": "assistant",
            "model": self.ask.model(), "content": [], "stop_reason": null, "stop_sequence": null,
            "stop_details": null, "container": null, "usage": self.usage(1),
        })
    }

    /// The tool's block; in a stream it begins with an empty input.
    pub(super) fn call_block(&self, input: &Value) -> Value {
        let name = match &self.say {
            Say::Call { name, .. } => name,
            Say::Text(_) => "",
        };
        json!({
            "type": "tool_use", "id": self.ask.id("toolu_"), "name": name, "input": input,
            "caller": {"type": "direct"},
        })
    }

    pub(super) fn output_tokens(&self) -> u64 {
        self.say.tokens() + u64::from(self.thinks) * THINKING_TOKENS
    }

    pub(super) fn usage(&self, output: u64) -> Value {
        json!({
            "input_tokens": self.ask.input_tokens, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": output, "server_tool_use": null, "service_tier": "standard",
            "inference_geo": null,
        })
    }
}
