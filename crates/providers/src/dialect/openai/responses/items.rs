//! Both ways: items of an input or an output, as they were written.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Kind, Raw};

use crate::dialect::event::is_filled;
use crate::dialect::openai::chat::untranslatable;
use crate::dialect::openai::media;
use crate::translate::read::{object, text, value, wrong};
use crate::translate::{
    Arguments, Losses, MediaKind, Part, Reasoning, Role, Signature, Source, Text, ToolCall,
};

/// What an item says.
#[derive(Debug)]
pub(super) enum Item<'a> {
    /// Somebody says something.
    Message { role: Role, parts: Vec<Part<'a>> },
    /// The model calls a tool.
    Call(ToolCall<'a>),
    /// A tool answers.
    Result { id: Text<'a>, parts: Vec<Part<'a>> },
    /// The model thinks.
    Reasoning(Reasoning<'a>),
    /// Thoughts of which nothing is left.
    Nothing,
    /// What only OpenAI has, and its type.
    Foreign(Text<'a>),
}

/// Where an item stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) list: &'static str,
    pub(super) index: u32,
}

impl Place {
    /// A member of the item, with the dot before it.
    pub(super) fn path(self, member: &str) -> String {
        format!("{}[{}]{member}", self.list, self.index)
    }
}

/// The members of an item there are.
#[derive(Default)]
struct Members<'a> {
    kind: Option<Text<'a>>,
    role: Option<Text<'a>>,
    content: Option<Raw<'a>>,
    call_id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    arguments: Option<Text<'a>>,
    output: Option<Raw<'a>>,
    id: Option<Text<'a>>,
    summary: Option<Raw<'a>>,
    sealed: Option<Text<'a>>,
    odd: Vec<String>,
}

/// Reads an item. Its id and status say nothing elsewhere, and are left out.
pub(super) fn read<'a>(
    at: &mut Cursor<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Item<'a>, Error> {
    let mut m = Members::default();
    let is_object = object(at, |key, at| {
        let field = || place.path(&format!(".{}", key.as_str().unwrap_or_default()));
        if key == "type" {
            m.kind = text(at, field)?;
        } else if key == "role" {
            m.role = text(at, field)?;
        } else if key == "content" {
            m.content = Some(value(at)?);
        } else if key == "call_id" {
            m.call_id = text(at, field)?;
        } else if key == "name" {
            m.name = text(at, field)?;
        } else if key == "arguments" {
            m.arguments = text(at, field)?;
        } else if key == "output" {
            m.output = Some(value(at)?);
        } else if key == "id" {
            m.id = text(at, field)?;
        } else if key == "summary" {
            m.summary = Some(value(at)?);
        } else if key == "encrypted_content" {
            m.sealed = text(at, field)?;
        } else if key != "status" && is_filled(value(at)?) {
            m.odd.push(field());
        }
        Ok(())
    })?;
    if !is_object {
        return Err(wrong(&place.path(""), "an object"));
    }
    let message = m.role.is_some();
    let kind = m.kind.take().or_else(|| message.then(|| "message".into()));
    let kind = kind.ok_or_else(|| wrong(&place.path(".type"), "the type of an item"))?;
    let item = match &*kind.plain() {
        "message" => m.message(place, losses)?,
        "function_call" => m.call(place)?,
        "function_call_output" => m.result(place, losses)?,
        "reasoning" => m.reasoning(),
        _ => return Ok(Item::Foreign(kind.clone())),
    };
    for odd in m.odd {
        losses.add(odd, "no other dialect has it");
    }
    Ok(item)
}

impl<'a> Members<'a> {
    fn message(&mut self, place: Place, losses: &mut Losses) -> Result<Item<'a>, Error> {
        let role = self.role.take().unwrap_or_else(|| "assistant".into());
        let role = match &*role.plain() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "developer" => Role::Developer,
            _ => {
                let roles = "`user`, `assistant`, `system` or `developer`";
                return Err(wrong(&place.path(".role"), roles));
            }
        };
        let wanted = || wrong(&place.path(".content"), "a string or a list of parts");
        let content = self.content.ok_or_else(wanted)?;
        let parts = parts(content, &place.path(".content"), losses)?;
        Ok(Item::Message { role, parts })
    }

    fn call(&mut self, place: Place) -> Result<Item<'a>, Error> {
        let missing = |member: &str| wrong(&place.path(member), "a string");
        let name = self.name.take().filter(|name| !name.is_empty());
        let id = self.call_id.take().filter(|id| !id.is_empty());
        Ok(Item::Call(ToolCall {
            id: Some(id.ok_or_else(|| missing(".call_id"))?),
            name: name.ok_or_else(|| missing(".name"))?,
            arguments: Arguments::String(self.arguments.take().unwrap_or_else(|| "".into())),
            signature: None,
            cache: None,
        }))
    }

    fn result(&mut self, place: Place, losses: &mut Losses) -> Result<Item<'a>, Error> {
        let id = self.call_id.take();
        let output = self.output;
        let wanted = || wrong(&place.path(".output"), "a string or a list of parts");
        Ok(Item::Result {
            id: id.ok_or_else(|| wrong(&place.path(".call_id"), "a string"))?,
            parts: parts(output.ok_or_else(wanted)?, &place.path(".output"), losses)?,
        })
    }

    /// Thoughts: the summary where there is one, else what is shown of them themselves.
    fn reasoning(&mut self) -> Item<'a> {
        let texts = |list: Option<Raw<'a>>| -> Vec<Text<'a>> {
            let list = list.filter(|list| list.kind() == Kind::Array);
            let parts = list.into_iter().flat_map(Raw::elements).flatten();
            parts
                .filter_map(|part| part.get("text").and_then(Text::of))
                .collect()
        };
        let mut words = texts(self.summary);
        if words.is_empty() {
            words = texts(self.content);
        }
        let sealed = self.sealed.take().filter(|sealed| !sealed.is_empty());
        if words.is_empty() && sealed.is_none() {
            return Item::Nothing;
        }
        Item::Reasoning(Reasoning {
            redacted: words.is_empty(),
            text: paragraphs(words),
            signature: sealed.map(|data| Signature::read("openai", data)),
            id: self.id.take(),
        })
    }
}

/// Adds thoughts to a turn. What Google has sealed of a call has no place in the call, and follows it as an item of
/// its own.
pub(super) fn push_reasoning<'a>(parts: &mut Vec<Part<'a>>, one: Reasoning<'a>) {
    if let Some(Part::ToolCall(call)) = parts.last_mut()
        && call.signature.is_none()
        && is_of_call(&one)
    {
        call.signature = one.signature;
        return;
    }
    parts.push(Part::Reasoning(one));
}

/// Whether nothing but a seal of Google's is in it.
pub(super) fn is_of_call(one: &Reasoning<'_>) -> bool {
    let google = |signature: &Signature<'_>| signature.family == "google";
    one.text.is_none() && one.signature.as_ref().is_some_and(google)
}

/// Texts as one, with an empty line between them.
fn paragraphs(mut texts: Vec<Text<'_>>) -> Option<Text<'_>> {
    if texts.len() < 2 {
        return texts.pop().filter(|text| !text.is_empty());
    }
    let plain: Vec<_> = texts.iter().map(Text::plain).collect();
    Some(plain.join("\n\n").into())
}

fn parts<'a>(content: Raw<'a>, path: &str, losses: &mut Losses) -> Result<Vec<Part<'a>>, Error> {
    if let Some(words) = Text::of(content) {
        return Ok(match words.is_empty() {
            true => Vec::new(),
            false => vec![Part::text(words)],
        });
    }
    if content.kind() != Kind::Array {
        return Err(wrong(path, "a string or a list of parts"));
    }
    let elements = content.elements().enumerate();
    elements
        .map(|(index, raw)| {
            let raw = raw.map_err(|_| wrong(path, "a list of parts"))?;
            part(raw, &format!("{path}[{index}]"), losses)
        })
        .collect()
}

fn part<'a>(raw: Raw<'a>, path: &str, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let (mut kind, mut words, mut url, mut id, mut detail, mut sound) =
        (None, None, None, None, None, None);
    for member in raw.members() {
        let member = member.map_err(|_| wrong(path, "an object"))?;
        let (key, value) = (member.key, member.value);
        if key == "type" {
            kind = Text::of(value);
        } else if key == "text" || key == "refusal" {
            words = Text::of(value);
        } else if key == "image_url" {
            url = Text::of(value);
        } else if key == "file_id" {
            id = Text::of(value);
        } else if key == "detail" {
            detail = Text::of(value);
        } else if key == "input_audio" {
            sound = Some(value);
        } else if key != "file_data" && key != "file_url" && key != "filename" && is_filled(value) {
            let name = key.as_str().unwrap_or_default();
            losses.add(format!("{path}.{name}"), "no other dialect has it");
        }
    }
    let kind = kind.ok_or_else(|| wrong(path, "an object with a `type`"))?;
    let words = words.ok_or_else(|| wrong(&format!("{path}.text"), "a string"));
    let missing = || wrong(path, "given what its type says");
    let media = match &*kind.plain() {
        "input_text" | "output_text" | "text" => return Ok(Part::text(words?)),
        "refusal" => return Ok(Part::Refusal(words?)),
        "input_image" => match (url, id) {
            (Some(url), _) => Some(media::at(url, MediaKind::Image, path)?),
            (None, Some(id)) => Some(media::of(Source::File(id), MediaKind::Image)),
            (None, None) => None,
        },
        "input_file" => media::file(raw, path)?,
        "input_audio" => sound.and_then(media::audio),
        other => return Err(untranslatable(path, &format!("a part of type `{other}`"))),
    };
    let mut media = media.ok_or_else(missing)?;
    media.detail = detail;
    Ok(Part::Media(media))
}
