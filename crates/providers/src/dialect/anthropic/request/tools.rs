//! Encode: the tools of a request, and which of them are called.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Kind, Raw};

use crate::dialect::anthropic::block::{self, Blocks};
use crate::dialect::fields::{field, fields, given, lose, text, untranslatable};
use crate::translate::write::Object;
use crate::translate::{Conversation, Losses, Text, Tool, ToolChoice, read as reading};

/// Reads the list of tools.
pub(super) fn read<'a>(at: &mut Cursor<'a>, losses: &mut Losses) -> Result<Vec<Tool<'a>>, Error> {
    let mut tools = Vec::new();
    let is_list = reading::array(at, |at| {
        let tool = read_tool(at, tools.len(), losses)?;
        tools.push(tool);
        Ok(())
    })?;
    if !is_list && given(reading::value(at)?).is_some() {
        return Err(reading::wrong("tools", "a list of tools"));
    }
    Ok(tools)
}

fn read_tool<'a>(
    at: &mut Cursor<'a>,
    number: usize,
    losses: &mut Losses,
) -> Result<Tool<'a>, Error> {
    let place = format!("tools[{number}]");
    let fields = fields(at)?.ok_or_else(|| reading::wrong(&place, "an object"))?;
    let kind = field(&fields, "type").and_then(Raw::as_str);
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        let why = format!("the tool `{kind}` is known to Anthropic's models alone");
        return Err(untranslatable(place, &why));
    }
    let mut tool = Tool {
        name: "".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    };
    for member in &fields {
        let value = member.value;
        match member.key.as_str().as_deref() {
            Some("type") => {}
            Some("name") => {
                tool.name = Text::of(value).unwrap_or_else(|| "".into());
            }
            Some("description") => {
                tool.description = text(value, || format!("{place}.description"))?;
            }
            Some("input_schema") if value.kind() == Kind::Object => tool.parameters = Some(value),
            Some("input_schema") => {
                return Err(reading::wrong(
                    &format!("{place}.input_schema"),
                    "an object",
                ));
            }
            Some("strict") => tool.strict = value.as_bool(),
            Some("cache_control") => {
                tool.cache = block::cache(value, &format!("{place}.cache_control"))?;
            }
            key => {
                let key = key.unwrap_or_default();
                lose(losses, format_args!("{place}.{key}"), value);
            }
        }
    }
    if tool.name.is_empty() {
        return Err(reading::wrong(&format!("{place}.name"), "a tool's name"));
    }
    Ok(tool)
}

/// Writes tools and the choice among them.
pub(super) fn write(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    let choice = conversation.tool_choice.as_ref();
    if conversation.tools.is_empty() {
        return match choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => {
                let wanted = "left out where there are no tools";
                Err(reading::wrong("tool_choice", wanted))
            }
            _ => Ok(()),
        };
    }
    // Of several that may be called one must be; the API can say that of all there are.
    let allowed = match choice {
        Some(ToolChoice::Named(names)) if names.len() > 1 => &names[..],
        _ => &[],
    };
    let named = |tool: &Tool<'_>| {
        let name = tool.name.plain();
        allowed.is_empty() || allowed.iter().any(|allowed| allowed.is(&name))
    };
    body.array("tools", |list| {
        for tool in &conversation.tools {
            if !named(tool) {
                let field = format!("tools[{}]", tool.name.plain());
                let why = "it may not be called in this turn, which is said by leaving it out";
                blocks.losses.add(field, why);
                continue;
            }
            let name = blocks.name(&tool.name);
            list.object(|o| {
                o.text("name", &name);
                o.maybe_text("description", tool.description.as_ref());
                let nothing = &br#"{"type":"object","properties":{}}"#[..];
                o.raw("input_schema", tool.parameters.map_or(nothing, Raw::bytes));
                if tool.strict == Some(true) {
                    o.bool("strict", true);
                }
                let field = || format!("tools[{}]", tool.name.plain());
                blocks.mark(o, tool.cache, &field);
            });
        }
    });
    write_choice(conversation, body, blocks);
    Ok(())
}

fn write_choice(conversation: &Conversation<'_>, body: &mut Object<'_>, blocks: &mut Blocks<'_>) {
    let single = conversation.parallel_tools == Some(false);
    let (kind, name) = match &conversation.tool_choice {
        None if !single => return,
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Named(names)) => match names.as_slice() {
            [one] => ("tool", Some(blocks.name(one))),
            _ => ("any", None),
        },
        Some(ToolChoice::Required) => ("any", None),
    };
    body.object("tool_choice", |o| {
        o.str("type", kind);
        o.maybe_text("name", name.as_ref());
        if single && kind != "none" {
            o.bool("disable_parallel_tool_use", true);
        }
    });
}
