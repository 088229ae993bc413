//! Encode: the input of a request, a text or a list of items, read into turns.

use portcullis_core::error::Error;
use portcullis_core::json::Cursor;

use super::items::{self, Item, Place};
use crate::dialect::openai::chat::untranslatable;
use crate::translate::read::{array, text, wrong};
use crate::translate::{Losses, Part, Role, ToolResult, Turn};

/// Reads `input`. What the model said and called in a row is one turn.
pub(super) fn read<'a>(at: &mut Cursor<'a>, losses: &mut Losses) -> Result<Vec<Turn<'a>>, Error> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    let mut index = 0;
    let list = array(at, |at| {
        let place = Place {
            list: "input",
            index,
        };
        index += 1;
        let item = items::read(at, place, losses)?;
        push(&mut turns, item, place)
    })?;
    if list {
        return Ok(turns);
    }
    let words = text(at, || "input".to_owned())?;
    let words = words.ok_or_else(|| wrong("input", "a string or a list of items"))?;
    turns.push(turn(Role::User, vec![Part::text(words)], 0));
    Ok(turns)
}

fn turn(role: Role, parts: Vec<Part<'_>>, at: u32) -> Turn<'_> {
    Turn {
        role,
        parts,
        name: None,
        at,
    }
}

fn push<'a>(turns: &mut Vec<Turn<'a>>, item: Item<'a>, place: Place) -> Result<(), Error> {
    let parts = match item {
        Item::Message { role, parts } if role != Role::Assistant => {
            turns.push(turn(role, parts, place.index));
            return Ok(());
        }
        Item::Message { parts, .. } => parts,
        Item::Call(call) => vec![Part::ToolCall(call)],
        Item::Reasoning(one) => {
            match turns.last_mut() {
                Some(last) if last.role == Role::Assistant => {
                    items::push_reasoning(&mut last.parts, one);
                }
                _ => turns.push(turn(
                    Role::Assistant,
                    vec![Part::Reasoning(one)],
                    place.index,
                )),
            }
            return Ok(());
        }
        Item::Nothing => return Ok(()),
        Item::Result { id, parts } => {
            let result = Part::ToolResult(ToolResult {
                id: Some(id),
                name: None,
                parts,
                json: None,
                error: false,
                cache: None,
            });
            match turns.last_mut() {
                Some(last) if is_results(last) => last.parts.push(result),
                _ => turns.push(turn(Role::User, vec![result], place.index)),
            }
            return Ok(());
        }
        Item::Foreign(kind) => {
            let what = format!("an item of type `{}`", kind.plain());
            return Err(untranslatable(&place.path(""), &what));
        }
    };
    match turns.last_mut() {
        Some(last) if last.role == Role::Assistant => last.parts.extend(parts),
        _ => turns.push(turn(Role::Assistant, parts, place.index)),
    }
    Ok(())
}

fn is_results(turn: &Turn<'_>) -> bool {
    matches!(turn.parts[..], [Part::ToolResult(_), ..])
}
