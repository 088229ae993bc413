//! Both ways: one message, of a conversation or of a reply.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Kind, Raw};

use super::{parts, reasoning};
use crate::dialect::event::is_filled;
use crate::dialect::openai::chat::untranslatable;
use crate::translate::read::{array, object, text, value, wrong};
use crate::translate::{Arguments, Losses, Part, Reasoning, Signature, Text, ToolCall};

/// Where a message stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    list: &'static str,
    pub(super) index: u32,
    within: &'static str,
}

impl Place {
    /// The message of this number in a conversation.
    pub(super) fn message(index: u32) -> Self {
        Self {
            list: "messages",
            index,
            within: "",
        }
    }

    /// The message of this choice in a reply.
    pub(super) fn choice(index: u32) -> Self {
        Self {
            list: "choices",
            index,
            within: ".message",
        }
    }

    /// A member of the message.
    pub(super) fn field(self, name: &str) -> String {
        format!("{}[{}]{}.{name}", self.list, self.index, self.within)
    }
}

/// A message as it was written.
#[derive(Debug, Default)]
pub(super) struct Message<'a> {
    pub(super) role: Option<Text<'a>>,
    pub(super) content: Vec<Part<'a>>,
    /// Whether there was content, be it empty.
    pub(super) has_content: bool,
    pub(super) name: Option<Text<'a>>,
    pub(super) calls: Vec<ToolCall<'a>>,
    pub(super) call_id: Option<Text<'a>>,
    refusal: Option<Text<'a>>,
    reasoning: Option<Text<'a>>,
    details: Vec<Reasoning<'a>>,
}

/// Reads a message. What has no place in a turn is noted.
pub(super) fn read<'a>(
    at: &mut Cursor<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Message<'a>, Error> {
    let mut message = Message::default();
    if object(at, |key, at| message.member(key, at, place, losses))? {
        Ok(message)
    } else {
        let field = format!("{}[{}]", place.list, place.index);
        Err(wrong(&field, "an object"))
    }
}

impl<'a> Message<'a> {
    fn member(
        &mut self,
        key: Key<'a>,
        at: &mut Cursor<'a>,
        place: Place,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        if key == "role" {
            self.role = text(at, || place.field("role"))?;
        } else if key == "content" {
            let content = parts::read(at, place, losses)?;
            self.has_content = content.is_some();
            self.content = content.unwrap_or_default();
        } else if key == "name" {
            self.name = text(at, || place.field("name"))?;
        } else if key == "tool_call_id" {
            self.call_id = text(at, || place.field("tool_call_id"))?;
        } else if key == "refusal" {
            let refusal = text(at, || place.field("refusal"))?;
            self.refusal = refusal.filter(|refusal| !refusal.is_empty());
        } else if key == "reasoning_content" || key == "reasoning" {
            let reasoning = Text::of(value(at)?).filter(|text| !text.is_empty());
            self.reasoning = reasoning.or(self.reasoning.take());
        } else if key == "reasoning_details" {
            let details = reasoning::details(value(at)?).into_iter();
            self.details = details.map(|(_, detail)| detail).collect();
        } else if key == "tool_calls" {
            self.calls.clear();
            let list = array(at, |at| {
                let call = call(at, place, losses)?;
                self.calls.push(call);
                Ok(())
            })?;
            if !list && !value(at)?.is_null() {
                return Err(wrong(&place.field("tool_calls"), "a list of calls"));
            }
        } else if key == "function_call" {
            let raw = value(at)?;
            if !raw.is_null() {
                self.calls.push(function(raw, place, "function_call")?);
            }
        } else if key == "audio" {
            if !value(at)?.is_null() {
                let what = "an answer in sound given before";
                return Err(untranslatable(&place.field("audio"), what));
            }
        } else {
            let raw = value(at)?;
            if is_filled(raw) || matches!(raw.kind(), Kind::Number | Kind::Bool) {
                let name = key.as_str().unwrap_or_default();
                losses.add(place.field(&name), "no other dialect has it");
            }
        }
        Ok(())
    }

    /// What the assistant's message consists of: thoughts, words, calls.
    pub(super) fn into_parts(self, place: Place, losses: &mut Losses) -> Vec<Part<'a>> {
        let capacity = self.details.len() + self.content.len() + self.calls.len() + 2;
        let mut parts = Vec::with_capacity(capacity);
        let details = reasoning::joined(self.details, self.reasoning);
        parts.extend(details.into_iter().map(Part::Reasoning));
        parts.extend(self.content);
        parts.extend(self.refusal.map(Part::Refusal));
        if self.call_id.is_some() {
            losses.add(place.field("tool_call_id"), "the assistant answers no call");
        }
        parts.extend(self.calls.into_iter().map(Part::ToolCall));
        parts
    }
}

fn call<'a>(at: &mut Cursor<'a>, place: Place, losses: &mut Losses) -> Result<ToolCall<'a>, Error> {
    let (mut id, mut kind, mut called, mut extra) = (None, None, None, None);
    object(at, |key, at| {
        if key == "id" {
            id = text(at, || place.field("tool_calls.id"))?;
        } else if key == "type" {
            kind = text(at, || place.field("tool_calls.type"))?;
        } else if key == "function" {
            called = Some(value(at)?);
        } else if key == "extra_content" {
            extra = Some(value(at)?);
        } else {
            let raw = value(at)?;
            // Hosts repeat the number it had in the stream.
            if key != "index" && !raw.is_null() && key != "custom" {
                let name = key.as_str().unwrap_or_default();
                losses.add(
                    place.field(&format!("tool_calls.{name}")),
                    "no other dialect has it",
                );
            }
        }
        Ok(())
    })?;
    if let Some(kind) = kind.filter(|kind| !kind.is("function") && !kind.is_empty()) {
        let what = format!("a tool of type `{}`", kind.plain());
        return Err(untranslatable(&place.field("tool_calls"), &what));
    }
    let called = called.ok_or_else(|| wrong(&place.field("tool_calls.function"), "an object"))?;
    Ok(ToolCall {
        id: id.filter(|id| !id.is_empty()),
        signature: extra.and_then(signature),
        ..function(called, place, "tool_calls.function")?
    })
}

/// What Google's hosts give with a call: `{"google": {"thought_signature": "…"}}`.
pub(super) fn signature(extra: Raw<'_>) -> Option<Signature<'_>> {
    let data = extra.path(&["google", "thought_signature"])?;
    Some(Signature::read("google", Text::of(data)?))
}

fn function<'a>(raw: Raw<'a>, place: Place, field: &str) -> Result<ToolCall<'a>, Error> {
    let (mut name, mut arguments) = (None, None);
    for member in raw.members() {
        let member = member.map_err(|_| wrong(&place.field(field), "an object"))?;
        if member.key == "name" {
            name = Text::of(member.value);
        } else if member.key == "arguments" && !member.value.is_null() {
            arguments = Some(match Text::of(member.value) {
                Some(text) => Arguments::String(text),
                // Some hosts, and their clients, write the object itself.
                None => Arguments::Object(member.value.bytes().into()),
            });
        }
    }
    let wanted = || wrong(&place.field(&format!("{field}.name")), "a string");
    Ok(ToolCall {
        id: None,
        name: name.filter(|name| !name.is_empty()).ok_or_else(wanted)?,
        arguments: arguments.unwrap_or_else(|| Arguments::String("".into())),
        signature: None,
        cache: None,
    })
}
