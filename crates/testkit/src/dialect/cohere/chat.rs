//! `POST chat`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{
        Refusal,
        ask::{Ask, Say},
        cohere::{chat_stream, check},
    },
    plan::Answer,
};

/// Answers with a message, or the events that build it.
pub(crate) fn chat(ask: &Ask) -> Result<Answer, Refusal> {
    let messages = check::messages(ask)?;
    let answered = messages
        .last()
        .is_some_and(|message| message["role"] == "tool");
    let allowed = ask.body["tool_choice"] != "NONE";
    let (say, reason) = match ask.call(answered || !allowed, tool) {
        Some(call) => (call, "TOOL_CALL"),
        None => {
            let schema = &ask.body["response_format"]["json_schema"];
            let (words, cut) = ask.words(&ask.body["max_tokens"], schema);
            (
                Say::Text(words),
                if cut { "MAX_TOKENS" } else { "COMPLETE" },
            )
        }
    };
    let thinks = ask.body["thinking"]["type"] == "enabled";
    let reply = Reply {
        ask,
        say,
        reason,
        thinks,
    };
    Ok(match ask.stream() {
        true => Answer::events(chat_stream::events(&reply)).billed(ask.input_tokens, 0),
        false => Answer::json(StatusCode::OK, &reply.whole())
            .billed(ask.input_tokens, reply.output_tokens()),
    })
}

fn tool(tool: &Value) -> Option<(&str, &Value)> {
    let function = &tool["function"];
    Some((function["name"].as_str()?, &function["parameters"]))
}

/// What is thought and planned before an answer, each billed as one token.
pub(super) const THOUGHT: &str = "What to say?";
pub(super) const PLAN: &str = "I will use a tool.";

pub(super) struct Reply<'a> {
    pub(super) ask: &'a Ask,
    pub(super) say: Say,
    pub(super) reason: &'static str,
    pub(super) thinks: bool,
}

impl Reply<'_> {
    fn whole(&self) -> Value {
        let mut content = Vec::new();
        if self.thinks {
            content.push(json!({"type": "thinking", "thinking": THOUGHT}));
        }
        let mut message = json!({"role": "assistant"});
        match &self.say {
            Say::Text(words) => content.push(json!({"type": "text", "text": words.concat()})),
            Say::Call { name, arguments } => {
                message["tool_plan"] = json!(PLAN);
                message["tool_calls"] = json!([self.call(name, arguments)]);
            }
        }
        if !content.is_empty() {
            message["content"] = json!(content);
        }
        json!({
            "id": self.id(), "message": message, "finish_reason": self.reason, "usage": self.usage(),
        })
    }

    pub(super) fn id(&self) -> String {
        self.ask.id("")
    }

    pub(super) fn call(&self, name: &str, arguments: &str) -> Value {
        json!({
            "id": self.ask.id(&format!("{name}_")), "type": "function",
            "function": {"name": name, "arguments": arguments},
        })
    }

    pub(super) fn output_tokens(&self) -> u64 {
        let plans = matches!(self.say, Say::Call { .. });
        self.say.tokens() + u64::from(self.thinks) + u64::from(plans)
    }

    /// The model reads more than is billed.
    pub(super) fn usage(&self) -> Value {
        let (input, output) = (self.ask.input_tokens, self.output_tokens());
        json!({
            "billed_units": {"input_tokens": input, "output_tokens": output},
            "tokens": {"input_tokens": input + 500, "output_tokens": output + 2},
            "cached_tokens": 0,
        })
    }
}
