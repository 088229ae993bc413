//! Encode: a request for content, as neutral conversation.

use http::request;
use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key};

use super::super::key::camel;
use super::super::part;
use super::super::place::Place;
use super::super::url::{Called, Verb};
use super::{settings, tools};
use crate::dialect::fields::{fields, lose, untranslatable};
use crate::translate::read::{self, wrong};
use crate::translate::{Conversation, Losses, Metadata, Part, Role, Text, Turn};

/// Reads a request.
pub(in crate::dialect::gemini) fn request<'a>(
    head: &'a request::Parts,
    body: &'a [u8],
    losses: &mut Losses,
) -> Result<Conversation<'a>, Error> {
    let called = Called::read(head.uri.path());
    let mut reader = Reader {
        conversation: Conversation {
            stream: called.is_some_and(|called| called.verb == Verb::Stream),
            usage_asked: true,
            list: Some("contents"),
            ..Conversation::default()
        },
        system: None,
        losses,
    };
    read::document(body, |at| {
        if read::object(at, |key, at| reader.member(&key, at))? {
            return Ok(());
        }
        Err(wrong("body", "an object"))
    })?;
    Ok(reader.done())
}

struct Reader<'a, 'l> {
    conversation: Conversation<'a>,
    system: Option<Turn<'a>>,
    losses: &'l mut Losses,
}

impl<'a> Reader<'a, '_> {
    fn member(&mut self, key: &Key<'a>, at: &mut Cursor<'a>) -> Result<(), Error> {
        match &*camel(key) {
            "contents" => return self.contents(at),
            "systemInstruction" => {
                let mut turn = self.content(Place::System(0), at)?;
                turn.role = Role::System;
                self.system = (!turn.parts.is_empty()).then_some(turn);
                return Ok(());
            }
            "tools" => {
                self.conversation.tools = tools::read(at, self.losses)?;
                return Ok(());
            }
            "generationConfig" => {
                return settings::read(at, &mut self.conversation, self.losses);
            }
            _ => {}
        }
        let value = read::value(at)?;
        if value.is_null() {
            return Ok(());
        }
        let metadata: &mut Metadata<'a> = &mut self.conversation.metadata;
        match &*camel(key) {
            // The URL names it.
            "model" => {}
            "toolConfig" => {
                self.conversation.tool_choice = tools::choice(value, self.losses)?;
            }
            "labels" => metadata.facts = Some(value),
            "serviceTier" => metadata.tier = Text::of(value),
            "cachedContent" => {
                let why = "a cached prompt is known to the provider that made it alone";
                return Err(untranslatable("cachedContent", why));
            }
            name => lose(self.losses, name, value),
        }
        Ok(())
    }

    fn contents(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut number = 0;
        let is_list = read::array(at, |at| {
            let turn = self.content(Place::Turn(number, 0), at)?;
            self.conversation.turns.push(turn);
            number += 1;
            Ok(())
        })?;
        if is_list {
            return Ok(());
        }
        Err(wrong("contents", "a list of contents"))
    }

    fn content(&mut self, place: Place, at: &mut Cursor<'a>) -> Result<Turn<'a>, Error> {
        let (number, path) = match place {
            Place::Turn(number, _) => (number, format!("contents[{number}]")),
            _ => (0, "systemInstruction".to_owned()),
        };
        let mut role = Role::User;
        let mut parts = Vec::new();
        let is_object = read::object(at, |key, at| {
            if key == "parts" {
                let mut part = 0;
                let is_list = read::array(at, |at| {
                    let place = place.part(part);
                    let fields = fields(at)?;
                    let fields = fields.ok_or_else(|| wrong(&place.to_string(), "an object"))?;
                    part::push(&mut parts, part::read(&fields, place, self.losses)?);
                    part += 1;
                    Ok(())
                })?;
                return match is_list || read::value(at)?.is_null() {
                    true => Ok(()),
                    false => Err(wrong(&format!("{path}.parts"), "a list of parts")),
                };
            }
            let value = read::value(at)?;
            if key == "role" {
                role = match value.as_str().as_deref() {
                    // Before there were results of tools in the user's turns they had turns of their own.
                    Some("user" | "function" | "tool" | "") => Role::User,
                    Some("model") => Role::Assistant,
                    Some("system") => Role::System,
                    None if value.is_null() => Role::User,
                    _ => return Err(wrong(&format!("{path}.role"), "`user` or `model`")),
                };
                return Ok(());
            }
            lose(self.losses, format_args!("{path}.{}", camel(&key)), value);
            Ok(())
        })?;
        if !is_object {
            let value = read::value(at)?;
            // SDKs once wrote a text where it is all there is.
            let words = Text::of(value).ok_or_else(|| wrong(&path, "a content with parts"))?;
            parts.push(Part::text(words));
        }
        Ok(Turn {
            role,
            parts,
            name: None,
            at: number,
        })
    }

    fn done(self) -> Conversation<'a> {
        let mut conversation = self.conversation;
        if let Some(system) = self.system {
            conversation.turns.insert(0, system);
        }
        conversation
    }
}
