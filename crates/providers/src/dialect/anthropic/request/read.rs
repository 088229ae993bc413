//! Encode: a request for a message, as neutral conversation.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Raw};

use super::settings;
use super::tools;
use crate::dialect::anthropic::block::{self, Place};
use crate::dialect::fields::{fields, given, lose, text, untranslatable};
use crate::translate::{CacheMark, Conversation, Losses, Part, Role, Turn, read};

/// Reads a request of either version.
pub(crate) fn request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Conversation<'a>, Error> {
    let mut reader = Reader {
        conversation: Conversation {
            usage_asked: true,
            ..Conversation::default()
        },
        system: None,
        cache: None,
        losses,
    };
    let is_object = read::document(body, |at| {
        read::object(at, |key, at| reader.member(key, at))
    })?;
    if !is_object {
        return Err(read::wrong("body", "an object"));
    }
    Ok(reader.done())
}

struct Reader<'a, 'l> {
    conversation: Conversation<'a>,
    system: Option<Turn<'a>>,
    /// The mark that stands for one on the last block.
    cache: Option<CacheMark>,
    losses: &'l mut Losses,
}

impl<'a> Reader<'a, '_> {
    fn member(&mut self, key: Key<'a>, at: &mut Cursor<'a>) -> Result<(), Error> {
        if key == "messages" {
            return self.messages(at);
        }
        if key == "system" {
            let parts = self.content(Place::list("system"), at)?;
            self.system = (!parts.is_empty()).then_some(Turn {
                role: Role::System,
                parts,
                name: None,
                at: 0,
            });
            return Ok(());
        }
        if key == "tools" {
            self.conversation.tools = tools::read(at, self.losses)?;
            return Ok(());
        }
        let value = read::value(at)?;
        match key.as_str().as_deref() {
            Some("model") => {}
            Some("stream") => self.conversation.stream = value.as_bool().unwrap_or(false),
            Some("cache_control") => self.cache = block::cache(value, "cache_control")?,
            Some(name) => {
                settings::read(name, value, &mut self.conversation, self.losses)?;
            }
            None => lose(self.losses, "body", value),
        }
        Ok(())
    }

    fn messages(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut number = 0;
        let is_list = read::array(at, |at| {
            let turn = self.message(number, at)?;
            self.conversation.turns.push(turn);
            number += 1;
            Ok(())
        })?;
        if is_list {
            Ok(())
        } else {
            Err(read::wrong("messages", "a list of messages"))
        }
    }

    fn message(&mut self, number: u32, at: &mut Cursor<'a>) -> Result<Turn<'a>, Error> {
        let place = Place::turn(number);
        let mut role = None;
        let mut parts = None;
        let is_object = read::object(at, |key, at| {
            if key == "content" {
                parts = Some(self.content(place, at)?);
            } else if key == "role" {
                role = read_role(read::value(at)?);
            } else {
                let name = key.as_str().unwrap_or_default();
                let value = read::value(at)?;
                lose(
                    self.losses,
                    format_args!("messages[{number}].{name}"),
                    value,
                );
            }
            Ok(())
        })?;
        if !is_object {
            return Err(read::wrong(&format!("messages[{number}]"), "an object"));
        }
        let wrong = |field, wanted| read::wrong(&format!("messages[{number}].{field}"), wanted);
        Ok(Turn {
            role: role.ok_or_else(|| wrong("role", "`user`, `assistant` or `system`"))?,
            parts: parts.ok_or_else(|| wrong("content", "a string or a list of blocks"))?,
            name: None,
            at: number,
        })
    }

    /// A list of blocks, or a string that stands for one.
    fn content(&mut self, place: Place, at: &mut Cursor<'a>) -> Result<Vec<Part<'a>>, Error> {
        let mut parts = Vec::new();
        let mut number = 0;
        let is_list = read::array(at, |at| {
            let place = place.block(number);
            let fields = fields(at)?.ok_or_else(|| read::wrong(&place.to_string(), "an object"))?;
            match block::read(&fields, place, self.losses)? {
                Ok(part) => block::push(&mut parts, part, place, self.losses),
                Err(kind) => {
                    let why = format!("`{kind}` blocks are known to Anthropic's own models alone");
                    return Err(untranslatable(place, &why));
                }
            }
            number += 1;
            Ok(())
        })?;
        if !is_list {
            let value = read::value(at)?;
            let wanted = || read::wrong(&place.to_string(), "a string or a list of blocks");
            let words = text(value, || place.to_string()).map_err(|_| wanted())?;
            parts.extend(words.map(Part::text));
        }
        Ok(parts)
    }

    fn done(self) -> Conversation<'a> {
        let mut conversation = self.conversation;
        if let Some(mark) = self.cache {
            let last = conversation.turns.last_mut();
            let last = last.and_then(|turn| turn.parts.iter_mut().rev().find_map(block::mark));
            if let Some(last) = last {
                last.get_or_insert(mark);
            }
        }
        if let Some(system) = self.system {
            conversation.turns.insert(0, system);
        }
        conversation
    }
}

fn read_role(value: Raw<'_>) -> Option<Role> {
    match &*given(value)?.as_str()? {
        "user" => Some(Role::User),
        "assistant" => Some(Role::Assistant),
        "system" => Some(Role::System),
        _ => None,
    }
}
