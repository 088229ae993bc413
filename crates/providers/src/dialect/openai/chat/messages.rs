//! Encode: the messages of a conversation read into turns.

use portcullis_core::error::Error;
use portcullis_core::json::Cursor;

use super::message::{self, Message, Place};
use crate::translate::read::{array, wrong};
use crate::translate::{Losses, Part, Role, Text, ToolResult, Turn};

/// Reads the list of messages.
pub(super) fn read<'a>(at: &mut Cursor<'a>, losses: &mut Losses) -> Result<Vec<Turn<'a>>, Error> {
    let mut turns = Vec::new();
    let mut index = 0;
    let list = array(at, |at| {
        let place = Place::message(index);
        index += 1;
        let message = message::read(at, place, losses)?;
        turns.push(turn(message, place, losses)?);
        Ok(())
    })?;
    if list {
        Ok(turns)
    } else {
        Err(wrong("messages", "a list of messages"))
    }
}

fn turn<'a>(
    mut message: Message<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Turn<'a>, Error> {
    let given = message.role.take().unwrap_or_else(|| "".into());
    let role = match &*given.plain() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => return result(message, place),
        _ => {
            let roles = "`system`, `developer`, `user`, `assistant` or `tool`";
            return Err(wrong(&place.field("role"), roles));
        }
    };
    if role == Role::Assistant {
        let name = message.name.take();
        return Ok(Turn {
            role,
            parts: message.into_parts(place, losses),
            name,
            at: place.index,
        });
    }
    if !message.has_content {
        return Err(wrong(
            &place.field("content"),
            "a string or a list of parts",
        ));
    }
    if !message.calls.is_empty() {
        return Err(wrong(
            &place.field("tool_calls"),
            "in a message of the assistant",
        ));
    }
    Ok(Turn {
        role,
        parts: message.content,
        name: message.name,
        at: place.index,
    })
}

/// The result of a tool; of the old kind, it is known by the name of the function.
fn result<'a>(message: Message<'a>, place: Place) -> Result<Turn<'a>, Error> {
    if !message.has_content {
        return Err(wrong(
            &place.field("content"),
            "a string or a list of parts",
        ));
    }
    if message.call_id.is_none() && message.name.is_none() {
        return Err(wrong(&place.field("tool_call_id"), "the id of a call"));
    }
    let result = ToolResult {
        id: message.call_id,
        name: message.name,
        parts: message.content,
        json: None,
        error: false,
        cache: None,
    };
    Ok(Turn {
        role: Role::User,
        parts: vec![Part::ToolResult(result)],
        name: None::<Text<'a>>,
        at: place.index,
    })
}
