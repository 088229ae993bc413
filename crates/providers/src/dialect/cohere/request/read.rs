//! Encode: a request for an answer, as neutral conversation.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Kind, Raw};

use super::settings;
use crate::dialect::cohere::content;
use crate::dialect::fields::{Fields, field, fields, given, lose, members};
use crate::translate::{
    Conversation, Losses, Part, Role, Text, Tool, ToolResult, Turn, read as reading,
};

/// Reads a request.
pub(crate) fn request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Conversation<'a>, Error> {
    let mut reader = Reader {
        conversation: Conversation {
            usage_asked: true,
            ..Conversation::default()
        },
        strict: None,
        losses,
    };
    let is_object = reading::document(body, |at| {
        reading::object(at, |key, at| reader.member(key, at))
    })?;
    if !is_object {
        return Err(reading::wrong("body", "an object"));
    }
    let mut conversation = reader.conversation;
    for tool in &mut conversation.tools {
        tool.strict = reader.strict;
    }
    Ok(conversation)
}

struct Reader<'a, 'l> {
    conversation: Conversation<'a>,
    /// Whether calls keep to the schemas of all tools.
    strict: Option<bool>,
    losses: &'l mut Losses,
}

impl<'a> Reader<'a, '_> {
    fn member(&mut self, key: Key<'a>, at: &mut Cursor<'a>) -> Result<(), Error> {
        if key == "messages" {
            return self.messages(at);
        }
        if key == "tools" {
            return self.tools(at);
        }
        let value = reading::value(at)?;
        match key.as_str().as_deref() {
            Some("model") => {}
            Some("stream") => self.conversation.stream = value.as_bool().unwrap_or(false),
            Some("strict_tools") => self.strict = value.as_bool(),
            Some(name) => settings::read(name, value, &mut self.conversation, self.losses)?,
            None => lose(self.losses, "body", value),
        }
        Ok(())
    }

    fn messages(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut number = 0;
        let is_list = reading::array(at, |at| {
            let place = format!("messages[{number}]");
            let fields = fields(at)?.ok_or_else(|| reading::wrong(&place, "an object"))?;
            let turn = read_message(&fields, number, &place, self.losses)?;
            self.conversation.turns.push(turn);
            number += 1;
            Ok(())
        })?;
        match is_list {
            true => Ok(()),
            false => Err(reading::wrong("messages", "a list of messages")),
        }
    }

    fn tools(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut number = 0;
        let is_list = reading::array(at, |at| {
            let place = format!("tools[{number}]");
            let fields = fields(at)?.ok_or_else(|| reading::wrong(&place, "an object"))?;
            let tool = read_tool(&fields, &place, self.losses)?;
            self.conversation.tools.push(tool);
            number += 1;
            Ok(())
        })?;
        if !is_list && given(reading::value(at)?).is_some() {
            return Err(reading::wrong("tools", "a list of tools"));
        }
        Ok(())
    }
}

fn read_message<'a>(
    fields: &Fields<'a>,
    number: u32,
    place: &str,
    losses: &mut Losses,
) -> Result<Turn<'a>, Error> {
    let role = field(fields, "role").and_then(Raw::as_str);
    let (role, known): (_, &[&str]) = match role.as_deref() {
        Some("system") => (Role::System, &["role", "content"]),
        Some("user") => (Role::User, &["role", "content"]),
        Some("tool") => (Role::User, &["role", "content", "tool_call_id"]),
        Some("assistant") => {
            let known = &["role", "content", "tool_plan", "tool_calls", "citations"];
            (Role::Assistant, known)
        }
        _ => {
            let wanted = "`user`, `assistant`, `system` or `tool`";
            return Err(reading::wrong(&format!("{place}.role"), wanted));
        }
    };
    content::lose_others(fields, known, place, losses);
    let is_of_tool = known.contains(&"tool_call_id");
    let content = field(fields, "content").and_then(given);
    if content.is_none() && role != Role::Assistant {
        let wanted = "a string or a list of blocks";
        return Err(reading::wrong(&format!("{place}.content"), wanted));
    }
    let content =
        content.map(|content| content::read(content, &format!("{place}.content"), losses));
    let mut parts = content.transpose()?.unwrap_or_default();
    if is_of_tool {
        let id = field(fields, "tool_call_id").and_then(Text::of);
        let id = id.ok_or_else(|| reading::wrong(&format!("{place}.tool_call_id"), "a string"))?;
        parts = vec![Part::ToolResult(ToolResult {
            id: Some(id),
            name: None,
            parts,
            json: None,
            error: false,
            cache: None,
        })];
    }
    if role == Role::Assistant {
        add_plan_and_calls(fields, place, &mut parts, losses)?;
    }
    Ok(Turn {
        role,
        parts,
        name: None,
        at: number,
    })
}

/// Adds what the model was about to do, and the calls it made: a plan is words before the calls.
pub(crate) fn add_plan_and_calls<'a>(
    fields: &Fields<'a>,
    place: &str,
    parts: &mut Vec<Part<'a>>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let dot = if place.is_empty() { "" } else { "." };
    if let Some(citations) = field(fields, "citations").filter(|list| is_filled(*list)) {
        let words = parts.iter_mut().rev().find_map(|part| match part {
            Part::Text { citations, .. } => Some(citations),
            _ => None,
        });
        match words {
            Some(words) => *words = Some(citations),
            None => lose(losses, format_args!("{place}{dot}citations"), citations),
        }
    }
    let plan = field(fields, "tool_plan").and_then(Text::of);
    parts.extend(plan.filter(|plan| !plan.is_empty()).map(Part::text));
    if let Some(calls) = field(fields, "tool_calls").and_then(given) {
        if calls.kind() != Kind::Array {
            return Err(reading::wrong(
                &format!("{place}{dot}tool_calls"),
                "a list of calls",
            ));
        }
        let calls = content::calls(calls, &format!("{place}{dot}tool_calls"), losses)?;
        parts.extend(calls);
    }
    Ok(())
}

fn is_filled(list: Raw<'_>) -> bool {
    list.elements().next().is_some_and(|first| first.is_ok())
}

fn read_tool<'a>(fields: &Fields<'a>, place: &str, losses: &mut Losses) -> Result<Tool<'a>, Error> {
    content::lose_others(fields, &["type", "function"], place, losses);
    let function = field(fields, "function").map(members).unwrap_or_default();
    let place = format!("{place}.function");
    content::lose_others(
        &function,
        &["name", "description", "parameters"],
        &place,
        losses,
    );
    let name = field(&function, "name").and_then(Text::of);
    let parameters = field(&function, "parameters").and_then(given);
    if parameters.is_some_and(|raw| raw.kind() != Kind::Object) {
        return Err(reading::wrong(&format!("{place}.parameters"), "an object"));
    }
    Ok(Tool {
        name: name.ok_or_else(|| reading::wrong(&format!("{place}.name"), "a tool's name"))?,
        description: field(&function, "description").and_then(Text::of),
        parameters,
        strict: None,
        cache: None,
    })
}
