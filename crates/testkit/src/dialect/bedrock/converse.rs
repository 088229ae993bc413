//! `POST model/{modelId}/converse`, `converse-stream` and `count-tokens`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{check::check, frames::event};
use crate::{
    dialect::{
        Refusal,
        ask::{Ask, Say},
    },
    plan::{Answer, Piece},
};

/// Thinking costs this many output tokens.
const THINKING_TOKENS: u64 = 3;

/// Answers a conversation, or the events that build it.
pub(crate) fn converse(mut ask: Ask, stream: bool) -> Result<Answer, Refusal> {
    check(&ask.body)?;
    let config = &ask.body["toolConfig"];
    let (tools, choice) = (config["tools"].clone(), &config["toolChoice"]);
    let choice = json!({"name": choice["tool"]["name"]});
    ask.body["tools"] = tools;
    ask.body["tool_choice"] = choice;
    let last = ask.body["messages"].as_array().and_then(|all| all.last());
    let blocks = last.and_then(|message| message["content"].as_array());
    let answered = blocks
        .into_iter()
        .flatten()
        .any(|block| block["toolResult"].is_object());
    let (say, stop) = match ask.call(answered, tool) {
        Some(call) => (call, "tool_use"),
        None => {
            let format = &ask.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"];
            let schema = format["schema"].as_str().unwrap_or_default();
            let schema = serde_json::from_str(schema).unwrap_or_default();
            let (words, cut) = ask.words(&ask.body["inferenceConfig"]["maxTokens"], &schema);
            (
                Say::Text(words),
                if cut { "max_tokens" } else { "end_turn" },
            )
        }
    };
    let kind = ask.body["additionalModelRequestFields"]["thinking"]["type"].as_str();
    let message = Message {
        thinks: kind.is_some_and(|kind| kind != "disabled"),
        ask,
        say,
        stop,
    };
    let input = message.ask.input_tokens;
    let answer = match stream {
        true => Answer::events(message.events())
            .replacing("content-type", "application/vnd.amazon.eventstream")
            .billed(input, 0),
        false => {
            let whole = message.whole();
            Answer::json(StatusCode::OK, &whole).billed(input, message.output_tokens())
        }
    };
    Ok(answer.with("x-amzn-requestid", "req_testkit"))
}

/// Answers the number that the conversation in it would be billed.
pub(crate) fn count_tokens(ask: &Ask) -> Result<Answer, Refusal> {
    check(&ask.body["input"]["converse"])?;
    let body = json!({"inputTokens": ask.input_tokens});
    Ok(Answer::json(StatusCode::OK, &body).with("x-amzn-requestid", "req_testkit"))
}

fn tool(tool: &Value) -> Option<(&str, &Value)> {
    let spec = &tool["toolSpec"];
    Some((spec["name"].as_str()?, &spec["inputSchema"]["json"]))
}

struct Message {
    ask: Ask,
    say: Say,
    stop: &'static str,
    thinks: bool,
}

impl Message {
    fn whole(&self) -> Value {
        let mut content = Vec::new();
        if self.thinks {
            content.push(json!({"reasoningContent": {"reasoningText": {
                "text": "What to say?", "signature": "c2lnbmVk",
            }}}));
        }
        content.push(match &self.say {
            Say::Text(words) => json!({"text": words.concat()}),
            Say::Call { name, arguments } => {
                let input: Value = serde_json::from_str(arguments).unwrap_or_default();
                json!({"toolUse": {"toolUseId": self.ask.id("tooluse_"), "name": name, "input": input}})
            }
        });
        json!({
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": self.stop,
            "usage": self.usage(),
            "metrics": {"latencyMs": 12},
        })
    }

    /// All events, with the padding the service adds to some.
    fn events(&self) -> Vec<Piece> {
        let mut events = vec![event(
            "messageStart",
            &json!({"role": "assistant", "p": "abcdefgh"}),
            0,
        )];
        if self.thinks {
            let said = |delta: Value, tokens| {
                let delta = json!({"contentBlockIndex": 0, "delta": {"reasoningContent": delta}});
                event("contentBlockDelta", &delta, tokens)
            };
            events.push(said(json!({"text": "What to say?"}), THINKING_TOKENS));
            events.push(said(json!({"signature": "c2lnbmVk"}), 0));
            events.push(event(
                "contentBlockStop",
                &json!({"contentBlockIndex": 0}),
                0,
            ));
        }
        let index = u64::from(self.thinks);
        if let Say::Call { name, .. } = &self.say {
            let tool = json!({"toolUse": {"toolUseId": self.ask.id("tooluse_"), "name": name}});
            let start = json!({"contentBlockIndex": index, "start": tool});
            events.push(event("contentBlockStart", &start, 0));
        }
        for part in self.say.parts() {
            let delta = match &self.say {
                Say::Text(_) => json!({"text": part}),
                Say::Call { .. } => json!({"toolUse": {"input": part}}),
            };
            let delta = json!({"contentBlockIndex": index, "delta": delta, "p": "ab"});
            events.push(event("contentBlockDelta", &delta, 1));
        }
        let stop = json!({"contentBlockIndex": index});
        events.push(event("contentBlockStop", &stop, 0));
        events.push(event("messageStop", &json!({"stopReason": self.stop}), 0));
        let metadata = json!({"usage": self.usage(), "metrics": {"latencyMs": 12}});
        events.push(event("metadata", &metadata, 0));
        events
    }

    fn output_tokens(&self) -> u64 {
        self.say.tokens() + u64::from(self.thinks) * THINKING_TOKENS
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.ask.input_tokens, self.output_tokens());
        json!({
            "inputTokens": input, "outputTokens": output, "totalTokens": input + output,
            "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0,
        })
    }
}
