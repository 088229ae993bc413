//! Encode: a neutral conversation, as a request for an answer.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use super::message::{Messages, NAME};
use super::settings;
use crate::translate::write::{Object, object};
use crate::translate::{
    Conversation, Losses, Names, Target, Text, Tool, ToolChoice, Written, read as reading,
};

/// Writes a request.
pub(crate) fn request(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let mut body = Vec::with_capacity(256);
    let mut names = Names::default();
    if conversation.turns.iter().all(|turn| turn.parts.is_empty()) {
        let list = conversation.list.unwrap_or("messages");
        return Err(reading::wrong(
            list,
            "a list in which somebody says something",
        ));
    }
    object(&mut body, |body| {
        body.str("model", target.model);
        write_tools(conversation, body, &mut names, losses)?;
        let mut messages = Messages {
            conversation,
            names: &mut names,
            losses,
        };
        body.array("messages", |list| {
            let mut turns = conversation.turns.iter();
            turns.try_for_each(|turn| messages.turn(turn, list))
        })?;
        settings::write(conversation, body, losses)?;
        if conversation.stream {
            body.bool("stream", true);
        }
        Ok::<_, Error>(())
    })?;
    Ok(Written {
        path: "/chat".into(),
        query: None,
        headers: Vec::new(),
        body: body.into(),
        names,
    })
}

fn write_tools(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) -> Result<(), Error> {
    let choice = conversation.tool_choice.as_ref();
    let forced = matches!(choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    if conversation.tools.is_empty() {
        return match forced {
            true => Err(reading::wrong(
                "tool_choice",
                "left out where there are no tools",
            )),
            false => Ok(()),
        };
    }
    // A tool cannot be named; so the others are left out, and one of what is there must be called.
    let allowed: &[Text<'_>] = match choice {
        Some(ToolChoice::Named(names)) => names,
        _ => &[],
    };
    let is_allowed = |tool: &Tool<'_>| {
        let name = tool.name.plain();
        allowed.is_empty() || allowed.iter().any(|allowed| allowed.is(&name))
    };
    let strict = |tool: &Tool<'_>| tool.strict == Some(true);
    let all_strict = conversation.tools.iter().all(strict);
    body.array("tools", |list| {
        for tool in &conversation.tools {
            let field = |what| format!("tools[{}]{what}", tool.name.plain());
            if !is_allowed(tool) {
                let why = "it may not be called in this turn, which is said by leaving it out";
                losses.add(field(""), why);
                continue;
            }
            if strict(tool) && !all_strict {
                losses.add(field(".strict"), "Cohere is strict with all tools or none");
            }
            if tool.cache.is_some() {
                losses.add(field(".cache_control"), "Cohere takes no cache marks");
            }
            let name = names.fit(&tool.name, NAME);
            list.object(|o| {
                o.str("type", "function");
                o.object("function", |o| {
                    o.text("name", &name);
                    o.maybe_text("description", tool.description.as_ref());
                    let nothing = &br#"{"type":"object","properties":{}}"#[..];
                    o.raw("parameters", tool.parameters.map_or(nothing, Raw::bytes));
                });
            });
        }
    });
    if all_strict {
        body.bool("strict_tools", true);
    }
    match choice {
        Some(ToolChoice::None) => body.str("tool_choice", "NONE"),
        _ if forced => body.str("tool_choice", "REQUIRED"),
        _ => {}
    }
    Ok(())
}
