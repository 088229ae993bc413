//! What the API refuses of a request for an answer.

use serde_json::Value;

use crate::dialect::{Refusal, ask::Ask};

/// Members a request may have.
const MEMBERS: [&str; 21] = [
    "citation_options",
    "documents",
    "frequency_penalty",
    "k",
    "logprobs",
    "max_tokens",
    "messages",
    "model",
    "p",
    "presence_penalty",
    "priority",
    "response_format",
    "safety_mode",
    "seed",
    "stop_sequences",
    "stream",
    "strict_tools",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
];

/// Numbers and their bounds.
const BOUNDS: [(&str, f64, f64); 5] = [
    ("frequency_penalty", 0.0, 1.0),
    ("k", 0.0, 500.0),
    ("p", 0.01, 0.99),
    ("presence_penalty", 0.0, 1.0),
    ("temperature", 0.0, f64::MAX),
];

/// The messages of a request that is as the reference says.
pub(super) fn messages(ask: &Ask) -> Result<&Vec<Value>, Refusal> {
    let members = ask.body.as_object().into_iter().flatten();
    for (name, _) in members {
        if !MEMBERS.contains(&name.as_str()) {
            return refuse(format!(
                "unknown field: parameter '{name}' is not a valid field"
            ));
        }
    }
    for (name, least, most) in BOUNDS {
        let value = &ask.body[name];
        if !value.is_null() && !value.as_f64().is_some_and(|v| (least..=most).contains(&v)) {
            return refuse(format!(
                "invalid request: {name} must be between {least} and {most}"
            ));
        }
    }
    if ask.body["stop_sequences"]
        .as_array()
        .is_some_and(|stops| stops.len() > 5)
    {
        return refuse("invalid request: no more than 5 stop sequences".to_owned());
    }
    tools(ask)?;
    let messages = ask.body["messages"].as_array();
    let Some(messages) = messages.filter(|messages| !messages.is_empty()) else {
        return refuse("invalid request: at least one message is required".to_owned());
    };
    let mut calls: Vec<&str> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let what = fault(message, &mut calls);
        if let Err(what) = what {
            return refuse(format!(
                "invalid request: message at index {number}: {what}"
            ));
        }
    }
    Ok(messages)
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err((400, message))
}

fn tools(ask: &Ask) -> Result<(), Refusal> {
    let tools = ask.body["tools"].as_array();
    for tool in tools.into_iter().flatten() {
        let function = &tool["function"];
        let whole = tool["type"] == "function" && function["name"].is_string();
        if !(whole && function["parameters"].is_object()) {
            return refuse("invalid request: a tool is a function with parameters".to_owned());
        }
    }
    let choice = &ask.body["tool_choice"];
    if choice.is_null() || choice == "NONE" || choice == "REQUIRED" && tools.is_some() {
        return Ok(());
    }
    refuse("invalid request: tool_choice is REQUIRED, for the tools there are, or NONE".to_owned())
}

/// What is wrong with a message; `calls` are those that were made and not answered.
fn fault<'a>(message: &'a Value, calls: &mut Vec<&'a str>) -> Result<(), String> {
    let content = &message["content"];
    let kinds: &[&str] = match message["role"].as_str() {
        Some("system") => &["text"],
        Some("user") => &["text", "image_url"],
        Some("assistant") => {
            let made = message["tool_calls"].as_array();
            for call in made.into_iter().flatten() {
                calls.push(call["id"].as_str().ok_or("a tool call has an id")?);
                let arguments = call["function"]["arguments"].as_str();
                arguments.ok_or("arguments of a tool call are a string")?;
            }
            if content.is_null() && made.is_none() {
                return Err("must have content or tool_calls".to_owned());
            }
            &["text", "thinking"]
        }
        Some("tool") => {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            let made = calls.iter().position(|call| *call == id);
            calls.remove(made.ok_or("tool_call_id is of no call before it")?);
            &["text", "document"]
        }
        _ => return Err("role must be one of system, user, assistant, tool".to_owned()),
    };
    match content {
        Value::String(_) => Ok(()),
        Value::Null if message["role"] == "assistant" => Ok(()),
        Value::Array(blocks) => {
            let known = |block: &Value| kinds.iter().any(|kind| block["type"] == **kind);
            match blocks.iter().all(known) {
                true => Ok(()),
                false => Err(format!(
                    "content blocks are of the types {}",
                    kinds.join(", ")
                )),
            }
        }
        _ => Err("content is a string or a list of blocks".to_owned()),
    }
}
