//! What the API refuses of a request for content.

use serde_json::Value;

use crate::dialect::{Refusal, ask::Ask};

/// Members a request may have.
const MEMBERS: [&str; 8] = [
    "cachedContent",
    "contents",
    "generationConfig",
    "model",
    "safetySettings",
    "systemInstruction",
    "toolConfig",
    "tools",
];

/// What a part may be; exactly one of them, thoughts and signatures beside it.
const DATA: [&str; 6] = [
    "fileData",
    "functionCall",
    "functionResponse",
    "inlineData",
    "text",
    "executableCode",
];

/// The turns of a request that is as the reference says.
pub(super) fn contents(ask: &Ask) -> Result<&Vec<Value>, Refusal> {
    for (name, _) in ask.body.as_object().into_iter().flatten() {
        if !MEMBERS.contains(&name.as_str()) {
            return refuse(format!(
                "Invalid JSON payload received. Unknown name \"{name}\""
            ));
        }
    }
    let contents = ask.body["contents"].as_array();
    let Some(contents) = contents.filter(|contents| !contents.is_empty()) else {
        return refuse("* GenerateContentRequest.contents: contents is not specified".to_owned());
    };
    let mut called: Vec<&str> = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        if let Err(what) = content_fault(content, &mut called) {
            return refuse(format!("contents[{number}]: {what}"));
        }
    }
    for tool in ask.body["tools"].as_array().into_iter().flatten() {
        for function in tool["functionDeclarations"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if function["name"].as_str().is_none_or(str::is_empty) {
                return refuse("a function declaration has a name".to_owned());
            }
        }
    }
    Ok(contents)
}

fn refuse<T>(message: String) -> Result<T, Refusal> {
    Err((400, message))
}

/// What is wrong with a turn; `called` are the functions called and not answered.
fn content_fault<'a>(content: &'a Value, called: &mut Vec<&'a str>) -> Result<(), String> {
    let role = content["role"].as_str().unwrap_or("user");
    if !matches!(role, "user" | "model" | "function") {
        return Err("valid roles are user and model".to_owned());
    }
    let parts = content["parts"].as_array();
    let parts = parts.filter(|parts| !parts.is_empty());
    for part in parts.ok_or("must include at least one parts field")? {
        let data: Vec<_> = DATA.iter().filter(|data| !part[**data].is_null()).collect();
        match data.as_slice() {
            [_] => {}
            [] if part["thoughtSignature"].is_string() => {}
            _ => return Err("exactly one data field of a part must be set".to_owned()),
        }
        if let Some(name) = part["functionCall"]["name"].as_str() {
            called.push(name);
        }
        let response = &part["functionResponse"];
        if !response.is_null() {
            let name = response["name"].as_str().unwrap_or_default();
            let call = called.iter().position(|called| *called == name);
            called.remove(call.ok_or("a function response answers a function call")?);
            if !response["response"].is_object() {
                return Err("functionResponse.response is a Struct".to_owned());
            }
        }
    }
    Ok(())
}
