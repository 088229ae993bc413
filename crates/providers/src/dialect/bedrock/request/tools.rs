//! Encode: the tools of a request, written.

use std::collections::HashSet;

use portcullis_core::error::{Error, codes};

use crate::dialect::bedrock::blocks::{self, TOOL_NAME};
use crate::translate::write::{Array, Object};
use crate::translate::{Conversation, Losses, Names, Part, Text, Tool, ToolChoice};

/// Writes `toolConfig`, if there is anything to say. A conversation in which tools were called must have one.
pub(super) fn write(
    c: &Conversation<'_>,
    o: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) -> Result<(), Error> {
    let none = c.tool_choice == Some(ToolChoice::None);
    let called = called(c);
    if none && !c.tools.is_empty() {
        if called.is_empty() {
            losses.add("tools", "they are left out, since none may be called");
            return Ok(());
        }
        let why = "Bedrock cannot forbid the tools of a conversation in which some were called";
        losses.add("tool_choice", why);
    }
    if c.tools.is_empty() && called.is_empty() {
        return match c.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => {
                let what = "a tool must be called, and there is none";
                Err(Error::new(&codes::INVALID_FIELD, what).param("tool_choice"))
            }
            _ => Ok(()),
        };
    }
    if c.parallel_tools == Some(false) {
        losses.add("parallel_tool_calls", "Bedrock has no such field");
    }
    let chosen = chosen(c, losses);
    o.object("toolConfig", |o| {
        o.array("tools", |a| {
            let declared = c.tools.iter().filter(|tool| match &chosen {
                Chosen::Only(only) => only.iter().any(|name| tool.name.is(&name.plain())),
                _ => true,
            });
            for tool in declared {
                write_tool(tool, a, names);
            }
            let known: HashSet<_> = c.tools.iter().map(|tool| tool.name.plain()).collect();
            for name in called {
                if !known.contains(&name.plain()) {
                    // It cannot be called any more, but Bedrock wants to know it.
                    spec(
                        a,
                        &names.fit(name, TOOL_NAME),
                        None,
                        b"{\"type\":\"object\"}",
                        None,
                    );
                }
            }
        });
        match &chosen {
            Chosen::Free => {}
            Chosen::Auto => o.object("toolChoice", |o| o.object("auto", |_| ())),
            Chosen::Any | Chosen::Only(_) => o.object("toolChoice", |o| o.object("any", |_| ())),
            Chosen::One(name) => o.object("toolChoice", |o| {
                o.object("tool", |o| o.text("name", &names.fit(name, TOOL_NAME)));
            }),
        }
    });
    Ok(())
}

enum Chosen<'c, 'a> {
    Free,
    Auto,
    Any,
    One(&'c Text<'a>),
    /// Any of several: the others are left out.
    Only(&'c [Text<'a>]),
}

fn chosen<'c, 'a>(c: &'c Conversation<'a>, losses: &mut Losses) -> Chosen<'c, 'a> {
    match &c.tool_choice {
        None | Some(ToolChoice::None) => Chosen::Free,
        Some(ToolChoice::Auto) => Chosen::Auto,
        Some(ToolChoice::Required) => Chosen::Any,
        Some(ToolChoice::Named(only)) => match &only[..] {
            [one] => Chosen::One(one),
            several => {
                losses.add("tools", "those that may not be called are left out");
                Chosen::Only(several)
            }
        },
    }
}

/// The tools that were called so far, each once.
fn called<'c, 'a>(c: &'c Conversation<'a>) -> Vec<&'c Text<'a>> {
    let mut seen = HashSet::new();
    let parts = c.turns.iter().flat_map(|turn| &turn.parts);
    let calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some(&call.name),
        _ => None,
    });
    calls.filter(|name| seen.insert(name.plain())).collect()
}

fn write_tool(tool: &Tool<'_>, a: &mut Array<'_>, names: &mut Names) {
    let schema = tool.parameters.map(|schema| schema.bytes());
    let schema = schema.unwrap_or(b"{\"type\":\"object\",\"properties\":{}}");
    let description = tool.description.as_ref().filter(|text| !text.is_empty());
    let name = names.fit(&tool.name, TOOL_NAME);
    spec(a, &name, description, schema, tool.strict);
    if let Some(mark) = tool.cache {
        blocks::write_cache_point(mark, a);
    }
}

fn spec(
    a: &mut Array<'_>,
    name: &Text<'_>,
    description: Option<&Text<'_>>,
    schema: &[u8],
    strict: Option<bool>,
) {
    a.object(|o| {
        o.object("toolSpec", |o| {
            o.text("name", name);
            o.maybe_text("description", description);
            o.object("inputSchema", |o| o.raw("json", schema));
            if let Some(strict) = strict {
                o.bool("strict", strict);
            }
        });
    });
}
