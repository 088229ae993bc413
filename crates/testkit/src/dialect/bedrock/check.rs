//! What Bedrock refuses, as its documentation and service model say.

use std::collections::HashSet;

use serde_json::Value;

use crate::dialect::Refusal;

const FIELDS: [&str; 12] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];

/// Refuses what the API would.
pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    let fields = body.as_object().into_iter().flatten();
    for (name, _) in fields {
        ensure(FIELDS.contains(&&**name), || {
            format!("{name}: extraneous key is not permitted")
        })?;
    }
    for block in list(&body["system"]) {
        union(block, &["text", "guardContent", "cachePoint"], "system")?;
        said(block, "system")?;
    }
    let inference = &body["inferenceConfig"];
    for (name, max) in [("temperature", 1.0), ("topP", 1.0), ("maxTokens", 1e9)] {
        let value = &inference[name];
        let fits = value
            .as_f64()
            .is_some_and(|value| (0.0..=max).contains(&value));
        ensure(value.is_null() || fits, || {
            format!("inferenceConfig.{name}: out of range")
        })?;
    }
    tools(&body["toolConfig"])?;
    messages(body)
}

fn messages(body: &Value) -> Result<(), Refusal> {
    let all = list(&body["messages"]);
    ensure(!all.is_empty(), || {
        "messages: at least one is required".into()
    })?;
    let mut last = "assistant";
    let mut calls: HashSet<String> = HashSet::new();
    let mut called = false;
    for (index, message) in all.iter().enumerate() {
        let place = format!("messages.{index}");
        let role = message["role"].as_str().unwrap_or_default();
        ensure(matches!(role, "user" | "assistant"), || {
            format!("{place}.role: unknown")
        })?;
        ensure(role != last, || {
            format!("{place}: roles must alternate, beginning with user")
        })?;
        last = role;
        let content = list(&message["content"]);
        ensure(!content.is_empty(), || format!("{place}.content: is empty"))?;
        let mut results = HashSet::new();
        let mut made = HashSet::new();
        for block in content {
            self::block(block, &place)?;
            if let Some(id) = block["toolUse"]["toolUseId"].as_str() {
                ensure(made.insert(id.to_owned()), || {
                    format!("{place}: duplicate id {id}")
                })?;
            }
            if let Some(id) = block["toolResult"]["toolUseId"].as_str() {
                ensure(results.insert(id.to_owned()), || {
                    format!("{place}: duplicate result")
                })?;
            }
        }
        ensure(results == calls, || {
            format!(
                "{place}: the number of toolResult blocks exceeds or misses toolUse blocks of previous turn"
            )
        })?;
        called |= !made.is_empty();
        calls = made;
    }
    let declared = !list(&body["toolConfig"]["tools"]).is_empty();
    ensure(!called || declared, || {
        "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            .into()
    })
}

fn block(block: &Value, place: &str) -> Result<(), Refusal> {
    let kinds = [
        "text",
        "image",
        "document",
        "video",
        "audio",
        "toolUse",
        "toolResult",
        "guardContent",
        "cachePoint",
        "reasoningContent",
        "citationsContent",
        "searchResult",
    ];
    let kind = union(block, &kinds, place)?;
    let inner = &block[kind];
    match kind {
        "text" => said(block, place),
        "image" => media(inner, &["png", "jpeg", "gif", "webp"], place),
        "document" => {
            let name = inner["name"].as_str().unwrap_or_default();
            let allowed = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
            let fits = (1..=200).contains(&name.len()) && name.chars().all(allowed);
            ensure(fits && !name.contains("  "), || {
                format!("{place}: document name is not valid")
            })?;
            let formats = [
                "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md",
            ];
            media(inner, &formats, place)
        }
        "toolUse" => {
            named(&inner["toolUseId"], "_.:-", place)?;
            named(&inner["name"], "_-", place)?;
            ensure(inner["input"].is_object(), || {
                format!(
                    "{place}: The format of the value at toolUse.input is invalid. Provide a json object for the field"
                )
            })
        }
        "toolResult" => {
            named(&inner["toolUseId"], "_.:-", place)?;
            let status = &inner["status"];
            let known = status.is_null() || status == "success" || status == "error";
            ensure(known, || format!("{place}: unknown status"))?;
            ensure(inner["content"].is_array(), || {
                format!("{place}: content is required")
            })?;
            let kinds = ["json", "text", "image", "document", "video", "searchResult"];
            list(&inner["content"])
                .iter()
                .try_for_each(|block| union(block, &kinds, place).map(drop))
        }
        "reasoningContent" => {
            let kind = union(inner, &["reasoningText", "redactedContent"], place)?;
            let signed = kind != "reasoningText" || inner[kind]["signature"].is_string();
            ensure(signed, || {
                format!("{place}: reasoning without its signature")
            })
        }
        _ => Ok(()),
    }
}

fn tools(config: &Value) -> Result<(), Refusal> {
    if config.is_null() {
        return Ok(());
    }
    let tools = list(&config["tools"]);
    ensure(!tools.is_empty(), || {
        "toolConfig.tools: at least one is required".into()
    })?;
    let mut names = HashSet::new();
    for tool in tools {
        union(
            tool,
            &["toolSpec", "systemTool", "cachePoint"],
            "toolConfig.tools",
        )?;
        let spec = &tool["toolSpec"];
        if spec.is_object() {
            named(&spec["name"], "_-", "toolConfig.tools")?;
            let schema = &spec["inputSchema"]["json"];
            ensure(schema["type"] == "object", || {
                "inputSchema.json.type must be object".into()
            })?;
            ensure(names.insert(spec["name"].to_string()), || {
                "a tool stands twice".into()
            })?;
        }
    }
    let choice = &config["toolChoice"];
    if choice.is_null() {
        return Ok(());
    }
    union(choice, &["auto", "any", "tool"], "toolConfig.toolChoice").map(drop)
}

fn media(inner: &Value, formats: &[&str], place: &str) -> Result<(), Refusal> {
    let format = inner["format"].as_str().unwrap_or_default();
    ensure(formats.contains(&format), || {
        format!("{place}: format {format} is not supported")
    })?;
    let kind = union(
        &inner["source"],
        &["bytes", "s3Location", "text", "content"],
        place,
    )?;
    let bytes = inner["source"][kind].as_str().unwrap_or("-");
    ensure(!bytes.is_empty(), || {
        format!("{place}: the source is empty")
    })
}

/// The one member of a union.
fn union<'v>(value: &'v Value, known: &[&str], place: &str) -> Result<&'v str, Refusal> {
    let mut members = value.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((name, _)), None) if known.contains(&&**name) => Ok(name),
        _ => Err((
            400,
            format!("{place}: exactly one of {} must be set", known.join(", ")),
        )),
    }
}

fn said(block: &Value, place: &str) -> Result<(), Refusal> {
    let blank = block["text"]
        .as_str()
        .is_some_and(|text| text.trim().is_empty());
    ensure(!blank, || {
        format!(
            "{place}: The text field in the ContentBlock object is blank. Add text to the text field, and try again."
        )
    })
}

fn named(name: &Value, more: &str, place: &str) -> Result<(), Refusal> {
    let name = name.as_str().unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(allowed);
    ensure(fits, || {
        format!("{place}: {name:?} does not satisfy the regular expression pattern")
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), Refusal> {
    match holds {
        true => Ok(()),
        false => Err((400, message())),
    }
}
