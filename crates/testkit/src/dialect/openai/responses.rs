//! `POST responses`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    dialect::{
        Refusal,
        ask::{Ask, Say},
        openai::{CREATED, check, responses_stream, tool},
    },
    plan::Answer,
};

/// Answers a response, or the events that build it.
pub(crate) fn responses(ask: &Ask) -> Result<Answer, Refusal> {
    let input = &ask.body["input"];
    if input.is_null() {
        return Err((400, "input: field required".to_owned()));
    }
    if let Some(items) = input.as_array() {
        check::items(items)?;
    }
    check::tools(&ask.body["tools"])?;
    let last = input.as_array().and_then(|items| items.last());
    let answered = last.is_some_and(|item| item["type"] == "function_call_output");
    let (say, cut) = match ask.call(answered, tool) {
        Some(call) => (call, false),
        None => {
            let schema = &ask.body["text"]["format"]["schema"];
            let (words, cut) = ask.words(&ask.body["max_output_tokens"], schema);
            (Say::Text(words), cut)
        }
    };
    let answer = Responses { ask, say, cut };
    Ok(match ask.stream() {
        true => Answer::events(responses_stream::events(&answer)).billed(ask.input_tokens, 0),
        false => Answer::json(StatusCode::OK, &answer.finished())
            .billed(ask.input_tokens, answer.say.tokens()),
    }
    .with("x-request-id", "req_testkit"))
}

pub(super) struct Responses<'a> {
    ask: &'a Ask,
    pub(super) say: Say,
    cut: bool,
}

impl Responses<'_> {
    /// The response at its end.
    pub(super) fn finished(&self) -> Value {
        let mut response = self.begun(if self.cut { "incomplete" } else { "completed" });
        if self.cut {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        response["output"] = json!([self.item("completed")]);
        response["usage"] = self.usage();
        response
    }

    /// The response as the first events show it.
    pub(super) fn begun(&self, status: &str) -> Value {
        let asked = |key: &str, default: Value| match &self.ask.body[key] {
            Value::Null => default,
            given => given.clone(),
        };
        json!({
            "id": self.ask.id("resp_"), "object": "response", "created_at": CREATED,
            "status": status, "background": false, "error": null, "incomplete_details": null,
            "instructions": self.ask.body["instructions"],
            "max_output_tokens": self.ask.body["max_output_tokens"],
            "model": self.ask.model(), "output": [],
            "parallel_tool_calls": asked("parallel_tool_calls", json!(true)),
            "previous_response_id": self.ask.body["previous_response_id"],
            "reasoning": {"effort": null, "summary": null},
            "service_tier": "default", "store": asked("store", json!(true)),
            "temperature": asked("temperature", json!(1.0)),
            "text": asked("text", json!({"format": {"type": "text"}})),
            "tool_choice": asked("tool_choice", json!("auto")),
            "tools": asked("tools", json!([])), "top_p": asked("top_p", json!(1.0)),
            "truncation": "disabled", "usage": null, "user": null,
            "metadata": asked("metadata", json!({})),
        })
    }

    pub(super) fn item_id(&self) -> String {
        match &self.say {
            Say::Text(_) => self.ask.id("msg_"),
            Say::Call { .. } => self.ask.id("fc_"),
        }
    }

    /// The one output item; empty while it is in progress.
    pub(super) fn item(&self, status: &str) -> Value {
        let done = status == "completed";
        match &self.say {
            Say::Text(words) => json!({
                "id": self.item_id(), "type": "message", "status": status, "role": "assistant",
                "content": if done { json!([text_part(&words.concat())]) } else { json!([]) },
            }),
            Say::Call { name, arguments } => json!({
                "id": self.item_id(), "type": "function_call", "status": status, "name": name,
                "call_id": self.ask.id("call_"), "arguments": if done { arguments } else { "" },
            }),
        }
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.ask.input_tokens, self.say.tokens());
        json!({
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output,
        })
    }
}

pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
