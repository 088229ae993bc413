//! Encode: tools and which of them are called, read from a request for content and written into one.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Raw};

use super::super::key::{camel, field, get};
use super::super::say::NAMES;
use crate::dialect::fields::{fields, lose, members, untranslatable};
use crate::translate::read::{self, wrong};
use crate::translate::write::{Array, Object};
use crate::translate::{Conversation, Losses, Names, Text, Tool, ToolChoice};

/// Reads the `tools`: groups of functions, and tools of Google's own.
pub(super) fn read<'a>(at: &mut Cursor<'a>, losses: &mut Losses) -> Result<Vec<Tool<'a>>, Error> {
    let mut tools = Vec::new();
    let mut number = 0;
    let is_list = read::array(at, |at| {
        let group = fields(at)?;
        let group = group.ok_or_else(|| wrong(&format!("tools[{number}]"), "an object"))?;
        for member in &group {
            let (name, value) = (camel(&member.key), member.value);
            if name == "functionDeclarations" {
                for (index, function) in value.elements().filter_map(Result::ok).enumerate() {
                    let path = format!("tools[{number}].functionDeclarations[{index}]");
                    tools.push(function_of(function, &path, losses)?);
                }
            } else if !value.is_null() {
                let field = format!("tools[{number}].{name}");
                return Err(untranslatable(field, "it is a tool of Google's own"));
            }
        }
        number += 1;
        Ok(())
    })?;
    if is_list || read::value(at)?.is_null() {
        return Ok(tools);
    }
    Err(wrong("tools", "a list of tools"))
}

fn function_of<'a>(function: Raw<'a>, path: &str, losses: &mut Losses) -> Result<Tool<'a>, Error> {
    let fields = members(function);
    let name = field(&fields, "name").and_then(Text::of);
    let mut tool = Tool {
        name: name.ok_or_else(|| wrong(&format!("{path}.name"), "the name of a function"))?,
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    };
    for member in &fields {
        let value = member.value;
        match &*camel(&member.key) {
            "name" => {}
            _ if value.is_null() => {}
            "description" => tool.description = Text::of(value),
            // Written anew as JSON Schema before it came here.
            "parameters" | "parametersJsonSchema" => tool.parameters = Some(value),
            name => lose(losses, format_args!("{path}.{name}"), value),
        }
    }
    Ok(tool)
}

/// Reads the `toolConfig`.
pub(super) fn choice<'a>(
    config: Raw<'a>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'a>>, Error> {
    let mut choice = None;
    for member in members(config) {
        let name = camel(&member.key);
        if name != "functionCallingConfig" {
            lose(losses, format_args!("toolConfig.{name}"), member.value);
            continue;
        }
        let allowed = get(member.value, "allowedFunctionNames");
        let named: Vec<_> = allowed.map_or_else(Vec::new, |names| {
            let names = names.elements().filter_map(Result::ok);
            names.filter_map(Text::of).collect()
        });
        let field = "toolConfig.functionCallingConfig";
        let mode = get(member.value, "mode").and_then(Raw::as_str);
        choice = match mode.as_deref() {
            None | Some("MODE_UNSPECIFIED") => None,
            Some("AUTO" | "auto") => Some(ToolChoice::Auto),
            Some("NONE" | "none") => Some(ToolChoice::None),
            Some("ANY" | "any") if named.is_empty() => Some(ToolChoice::Required),
            Some("ANY" | "any") => Some(ToolChoice::Named(named)),
            Some("VALIDATED") => {
                losses.add(format!("{field}.mode"), "others have no such mode");
                Some(ToolChoice::Auto)
            }
            Some(_) => {
                let wanted = "`AUTO`, `ANY`, `NONE` or `VALIDATED`";
                return Err(wrong(&format!("{field}.mode"), wanted));
            }
        };
    }
    Ok(choice)
}

/// Writes the `tools` and the `toolConfig`.
pub(super) fn write(
    o: &mut Object<'_>,
    conversation: &Conversation<'_>,
    names: &mut Names,
    losses: &mut Losses,
) {
    let tools = &conversation.tools;
    if !tools.is_empty() {
        o.array("tools", |a| {
            a.object(|o| {
                o.array("functionDeclarations", |a| {
                    for (index, tool) in tools.iter().enumerate() {
                        declaration(a, tool, names);
                        if tool.strict == Some(true) {
                            let field = format!("tools[{index}].strict");
                            losses.add(field, "Gemini does not promise to keep to a schema");
                        }
                        if tool.cache.is_some() {
                            losses.add("cache_control", "Gemini caches by itself");
                        }
                    }
                });
            });
        });
    }
    if conversation.parallel_tools == Some(false) {
        losses.add(
            "parallel_tool_calls",
            "Gemini may always call several at once",
        );
    }
    let Some(choice) = &conversation.tool_choice else {
        return;
    };
    o.object("toolConfig", |o| {
        o.object("functionCallingConfig", |o| match choice {
            ToolChoice::Auto => o.str("mode", "AUTO"),
            ToolChoice::None => o.str("mode", "NONE"),
            ToolChoice::Required => o.str("mode", "ANY"),
            ToolChoice::Named(named) => {
                o.str("mode", "ANY");
                o.array("allowedFunctionNames", |a| {
                    named
                        .iter()
                        .for_each(|name| a.text(&names.fit(name, NAMES)));
                });
            }
        });
    });
}

fn declaration(a: &mut Array<'_>, tool: &Tool<'_>, names: &mut Names) {
    a.object(|o| {
        o.text("name", &names.fit(&tool.name, NAMES));
        o.maybe_text("description", tool.description.as_ref());
        o.maybe_raw("parametersJsonSchema", tool.parameters);
    });
}
