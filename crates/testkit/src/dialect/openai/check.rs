//! What OpenAI refuses in a conversation, as its API documents it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::dialect::Refusal;

/// The longest id of a call.
const ID: usize = 40;

/// The longest name of a function.
const NAME: usize = 64;

/// Refuses messages that chat completions do not take: unknown roles, calls that are not answered by the very
/// next messages, results of no call, content of the wrong kind.
pub(super) fn messages(messages: &[Value]) -> Result<(), Refusal> {
    let mut waiting: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages[{index}]");
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !waiting.remove(id) {
                return refuse(
                    &at,
                    "a `tool` message must follow the `tool_calls` it answers",
                );
            }
        } else if !waiting.is_empty() {
            return refuse(
                &at,
                "every `tool_call_id` must be answered by a `tool` message before it",
            );
        }
        content(&message["content"], role, &at)?;
        match role {
            "system" | "developer" | "user" | "tool" | "function" => {}
            "assistant" => waiting = calls(message, &at)?,
            _ => return refuse(&at, "unknown role"),
        }
    }
    match waiting.is_empty() {
        true => Ok(()),
        false => refuse("messages", "the last `tool_calls` are not answered"),
    }
}

/// The ids of the calls of a message.
fn calls<'m>(message: &'m Value, at: &str) -> Result<BTreeSet<&'m str>, Refusal> {
    let calls = message["tool_calls"].as_array();
    let said = !message["content"].is_null()
        || !message["refusal"].is_null()
        || !message["function_call"].is_null()
        || !message["audio"].is_null();
    if calls.is_none_or(Vec::is_empty) && !said {
        return refuse(at, "an assistant's message needs `content` or `tool_calls`");
    }
    let mut ids = BTreeSet::new();
    for call in calls.into_iter().flatten() {
        let id = call["id"].as_str().unwrap_or_default();
        let whole = call["type"] == "function" && call["function"]["arguments"].is_string();
        if id.is_empty() || id.len() > ID || !whole || !is_name(&call["function"]["name"]) {
            return refuse(at, "a call of a tool is not well formed");
        }
        if !ids.insert(id) {
            return refuse(at, "two calls of tools have one id");
        }
    }
    Ok(ids)
}

/// Content: a string, or parts that a message of this role may have.
fn content(content: &Value, role: &str, at: &str) -> Result<(), Refusal> {
    let parts = match content {
        Value::String(_) => return Ok(()),
        Value::Null if role == "assistant" => return Ok(()),
        Value::Array(parts) if !parts.is_empty() => parts,
        _ => return refuse(at, "content must be a string or a list of parts"),
    };
    for part in parts {
        let fits = match part["type"].as_str() {
            Some("text") => part["text"].is_string(),
            Some("refusal") => role == "assistant" && part["refusal"].is_string(),
            Some("image_url") => role == "user" && is_url(&part["image_url"]["url"]),
            Some("input_audio") => {
                let sound = &part["input_audio"];
                let known = ["wav", "mp3"].iter().any(|known| sound["format"] == *known);
                role == "user" && sound["data"].is_string() && known
            }
            Some("file") => role == "user" && part["file"].is_object(),
            _ => false,
        };
        if !fits {
            return refuse(at, "a part does not belong into a message of this role");
        }
    }
    Ok(())
}

/// Refuses items that responses do not take: messages of unknown roles, calls without outputs, outputs of no call.
pub(super) fn items(items: &[Value]) -> Result<(), Refusal> {
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("input[{index}]");
        let id = item["call_id"].as_str().unwrap_or_default();
        let fits = match item["type"].as_str() {
            Some("message") | None => {
                let roles = ["system", "developer", "user", "assistant"];
                let content = &item["content"];
                roles.iter().any(|role| item["role"] == *role)
                    && (content.is_string() || content.is_array())
            }
            Some("function_call") => {
                let whole = item["arguments"].is_string() && is_name(&item["name"]);
                whole && !id.is_empty() && open.insert(id)
            }
            Some("function_call_output") => open.remove(id) && !item["output"].is_null(),
            Some("reasoning") => item["summary"].is_array(),
            Some(_) => true,
        };
        if !fits {
            return refuse(&at, "the item is not well formed, or belongs to no call");
        }
    }
    match open.iter().next() {
        None => Ok(()),
        Some(id) => refuse(
            "input",
            &format!("no tool output found for function call {id}"),
        ),
    }
}

/// Refuses functions with names OpenAI does not take.
pub(super) fn tools(tools: &Value) -> Result<(), Refusal> {
    for (index, tool) in tools.as_array().into_iter().flatten().enumerate() {
        let function = tool.get("function").unwrap_or(tool);
        if tool["type"] == "function" && !is_name(&function["name"]) {
            return refuse(
                &format!("tools[{index}]"),
                "the name of a function is not well formed",
            );
        }
    }
    Ok(())
}

fn is_name(name: &Value) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let name = name.as_str().unwrap_or_default();
    (1..=NAME).contains(&name.len()) && name.bytes().all(fits)
}

fn is_url(url: &Value) -> bool {
    let url = url.as_str().unwrap_or_default();
    ["data:image/", "https://", "http://"]
        .iter()
        .any(|start| url.starts_with(start))
}

fn refuse<T>(at: &str, what: &str) -> Result<T, Refusal> {
    Err((400, format!("{at}: {what}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_refused_as_openai_refuses_them() {
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "x", "arguments": "{}"}},
        ]});
        let result = json!({"role": "tool", "tool_call_id": "1", "content": "ok"});
        let user = json!({"role": "user", "content": "?"});
        assert_eq!(
            messages(&[user.clone(), call.clone(), result.clone(), user.clone()]),
            Ok(())
        );
        for refused in [
            vec![json!({"role": "robot", "content": ""})],
            vec![json!({"role": "user", "content": null})],
            vec![json!({"role": "assistant", "content": null})],
            vec![result.clone()],
            vec![call.clone()],
            vec![call.clone(), user.clone(), result.clone()],
            vec![call, result.clone(), result],
            vec![
                json!({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://a"}}]}),
            ],
        ] {
            assert!(messages(&refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn items_are_refused_as_openai_refuses_them() {
        let call = json!({"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"});
        let output = json!({"type": "function_call_output", "call_id": "1", "output": "ok"});
        let user = json!({"role": "user", "content": "?"});
        assert_eq!(items(&[user, call.clone(), output.clone()]), Ok(()));
        for refused in [
            vec![call.clone()],
            vec![output.clone()],
            vec![call.clone(), call],
            vec![json!({"content": ""})],
        ] {
            assert!(items(&refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn names_of_functions_are_checked_in_both_forms() {
        let long = "x".repeat(65);
        for (name, taken) in [
            ("look_up", true),
            ("look up", false),
            ("", false),
            (long.as_str(), false),
        ] {
            let flat = json!([{"type": "function", "name": name}]);
            let nested = json!([{"type": "function", "function": {"name": name}}]);
            assert_eq!(tools(&flat).is_ok(), taken, "{name}");
            assert_eq!(tools(&nested).is_ok(), taken, "{name}");
        }
    }
}
