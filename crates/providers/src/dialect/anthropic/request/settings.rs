//! Encode: what a request says beside its messages and tools.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use crate::dialect::fields::{field, given, lose, members, text, untranslatable};
use crate::translate::{
    Conversation, Effort, Format, Losses, Schema, Thinking, ToolChoice, read as reading,
};

/// Reads a member of the request. What other dialects have no words for is noted as lost.
pub(super) fn read<'a>(
    name: &str,
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let sampling = &mut conversation.sampling;
    match name {
        "max_tokens" => sampling.max_tokens = number(name, value)?,
        "temperature" => sampling.temperature = number(name, value)?,
        "top_p" => sampling.top_p = number(name, value)?,
        "top_k" => sampling.top_k = number(name, value)?,
        "stop_sequences" => {
            for element in value.elements().filter_map(Result::ok) {
                sampling.stop.extend(text(element, || name.to_owned())?);
            }
        }
        "tool_choice" => tool_choice(value, conversation, losses)?,
        "thinking" => thinking(value, conversation, losses)?,
        "output_config" => output_config(value, conversation, losses)?,
        "output_format" => format("output_format", value, conversation, losses)?,
        "metadata" => {
            for member in members(value) {
                if member.key == "user_id" {
                    conversation.metadata.user =
                        text(member.value, || "metadata.user_id".to_owned())?;
                } else {
                    let name = member.key.as_str().unwrap_or_default();
                    lose(losses, format_args!("metadata.{name}"), member.value);
                }
            }
        }
        "service_tier" => {
            conversation.metadata.tier = match given(value) {
                Some(tier) if tier.bytes() == br#""standard_only""# => Some("default".into()),
                Some(tier) => text(tier, || name.to_owned())?,
                None => None,
            };
        }
        "mcp_servers" if is_filled(value) => {
            let why = "only Anthropic calls MCP servers for a model";
            return Err(untranslatable(name, why));
        }
        _ => lose(losses, name, value),
    }
    Ok(())
}

fn is_filled(value: Raw<'_>) -> bool {
    value.elements().next().is_some_and(|first| first.is_ok())
}

fn number<'a>(field: &str, value: Raw<'a>) -> Result<Option<Raw<'a>>, Error> {
    match value.kind() {
        Kind::Number => Ok(Some(value)),
        Kind::Null => Ok(None),
        _ => Err(reading::wrong(field, "a number")),
    }
}

fn tool_choice<'a>(
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let Some(value) = given(value) else {
        return Ok(());
    };
    let fields = members(value);
    let mut name = None;
    for member in &fields {
        if member.key == "name" {
            name = text(member.value, || "tool_choice.name".to_owned())?;
        } else if member.key == "disable_parallel_tool_use" {
            conversation.parallel_tools = member.value.as_bool().map(|single| !single);
        } else if member.key != "type" {
            let key = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("tool_choice.{key}"), member.value);
        }
    }
    let kind = field(&fields, "type").and_then(Raw::as_str);
    conversation.tool_choice = Some(match (kind.as_deref(), name) {
        (Some("auto"), _) => ToolChoice::Auto,
        (Some("any"), _) => ToolChoice::Required,
        (Some("none"), _) => ToolChoice::None,
        (Some("tool"), Some(name)) => ToolChoice::Named(vec![name]),
        (Some("tool"), None) => return Err(reading::wrong("tool_choice.name", "a tool's name")),
        _ => {
            let wanted = "`auto`, `any`, `tool` or `none`";
            return Err(reading::wrong("tool_choice.type", wanted));
        }
    });
    Ok(())
}

fn thinking<'a>(
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let Some(value) = given(value) else {
        return Ok(());
    };
    let fields = members(value);
    let thinking = conversation.thinking.get_or_insert_default();
    for member in &fields {
        if member.key == "budget_tokens" {
            thinking.budget = number("thinking.budget_tokens", member.value)?;
        } else if member.key == "display" {
            thinking.shown = match member.value.as_str().as_deref() {
                Some("summarized") => Some(true),
                Some("omitted") => Some(false),
                _ => None,
            };
        } else if member.key != "type" {
            let key = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("thinking.{key}"), member.value);
        }
    }
    let kind = field(&fields, "type").and_then(Raw::as_str);
    match kind.as_deref() {
        Some("enabled") => {}
        Some("adaptive") => thinking.adaptive = true,
        Some("between_tools") => {
            thinking.adaptive = true;
            losses.add("thinking.type", "elsewhere a model thinks when it wants to");
        }
        Some("disabled") => *thinking = off(thinking.effort, losses),
        _ => {
            let wanted = "`enabled`, `adaptive`, `between_tools` or `disabled`";
            return Err(reading::wrong("thinking.type", wanted));
        }
    }
    Ok(())
}

/// No thinking, whatever effort goes into the rest of the answer.
fn off<'a>(effort: Option<Effort>, losses: &mut Losses) -> Thinking<'a> {
    if effort.is_some_and(|effort| effort != Effort::None) {
        losses.add(
            "output_config.effort",
            "elsewhere it is about thinking alone",
        );
    }
    Thinking {
        effort: Some(Effort::None),
        ..Thinking::default()
    }
}

fn output_config<'a>(
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    for member in members(value) {
        if member.key == "effort" {
            let Some(value) = given(member.value) else {
                continue;
            };
            let effort = value.as_str().and_then(|word| Effort::read(&word));
            let wanted = "`low`, `medium`, `high`, `xhigh` or `max`";
            let effort = effort.ok_or_else(|| reading::wrong("output_config.effort", wanted))?;
            let thinking = conversation.thinking.get_or_insert_default();
            if thinking.effort == Some(Effort::None) {
                *thinking = off(Some(effort), losses);
            } else {
                thinking.effort = Some(effort);
            }
        } else if member.key == "format" {
            format("output_config.format", member.value, conversation, losses)?;
        } else {
            let key = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("output_config.{key}"), member.value);
        }
    }
    Ok(())
}

fn format<'a>(
    name: &str,
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let Some(value) = given(value) else {
        return Ok(());
    };
    let mut schema = None;
    let mut is_schema = false;
    for member in members(value) {
        if member.key == "schema" {
            schema = Some(member.value).filter(|value| value.kind() == Kind::Object);
        } else if member.key == "type" {
            is_schema = member.value.bytes() == br#""json_schema""#;
        } else {
            let key = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("{name}.{key}"), member.value);
        }
    }
    let Some(schema) = schema.filter(|_| is_schema) else {
        return Err(reading::wrong(name, "a `json_schema` with its schema"));
    };
    conversation.format = Format::Schema(Schema {
        name: None,
        description: None,
        schema: schema.bytes().into(),
        strict: Some(true),
    });
    Ok(())
}
