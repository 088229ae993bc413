//! Encode: a whole reply, read and written.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::key::{camel, field, get};
use super::place::Place;
use super::say::{Say, Voice, seal_of};
use super::usage::note_usage;
use super::{part, stop};
use crate::dialect::fields::{Fields, lose, members};
use crate::translate::read::{self, broken, wrong};
use crate::translate::write::{Array, Object, object};
use crate::translate::{Asked, Choice, Losses, Names, Part, Reply, Stop, Text};

/// Reads a reply.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let read = read::document(body, read::value).and_then(|document| {
        if document.kind() != Kind::Object {
            return Err(wrong("body", "an object"));
        }
        let mut reply = Reply::default();
        let mut blocked = None;
        for member in members(document) {
            let value = member.value;
            match &*camel(&member.key) {
                _ if value.is_null() => {}
                "candidates" => {
                    for (number, one) in value.elements().enumerate() {
                        let one = one.map_err(|_| wrong("candidates", "a list"))?;
                        reply.choices.push(choice(one, number as u32, losses)?);
                    }
                }
                "usageMetadata" => reply.usage = tokens(value),
                "responseId" => reply.id = Text::of(value),
                "modelVersion" => reply.model = Text::of(value),
                "createTime" => reply.created = created(value),
                "promptFeedback" => blocked = block(value),
                name => lose(losses, name, value),
            }
        }
        if reply.choices.is_empty() {
            let why = blocked.ok_or_else(|| wrong("candidates", "a list of answers"))?;
            reply.choices.push(withheld(why));
        }
        Ok(reply)
    });
    read.map_err(broken)
}

/// The counts of a `usageMetadata`, if it counts anything.
pub(super) fn tokens(usage: Raw<'_>) -> Option<Tokens> {
    let mut tokens = Tokens::default();
    note_usage(usage, &mut tokens).then_some(tokens)
}

/// The time in a `createTime`, in seconds since 1970.
pub(super) fn created(time: Raw<'_>) -> Option<u64> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    u64::try_from(time.as_second()).ok()
}

/// Why a prompt was not looked at, from a `promptFeedback`.
pub(super) fn block(feedback: Raw<'_>) -> Option<Text<'_>> {
    let reason = get(feedback, "blockReason").and_then(Text::of)?;
    let words = get(feedback, "blockReasonMessage").and_then(Text::of);
    (!reason.is("BLOCK_REASON_UNSPECIFIED")).then(|| words.unwrap_or(reason))
}

/// A blocked prompt has no candidates; callers look for a choice.
fn withheld(why: Text<'_>) -> Choice<'_> {
    Choice {
        stop: Stop::Filter,
        stop_details: Some(why),
        ..Choice::default()
    }
}

fn choice<'a>(value: Raw<'a>, number: u32, losses: &mut Losses) -> Result<Choice<'a>, Error> {
    if value.kind() != Kind::Object {
        return Err(wrong("candidates", "a list of objects"));
    }
    let fields = members(value);
    let mut choice = Choice {
        index: number,
        ..Choice::default()
    };
    for member in &fields {
        let value = member.value;
        match &*camel(&member.key) {
            _ if value.is_null() => {}
            "content" => choice.parts = content(value, number, losses)?,
            "index" => {
                let index = value.as_u64().and_then(|i| u32::try_from(i).ok());
                choice.index = index.unwrap_or(number);
            }
            "finishReason" | "finishMessage" | "tokenCount" | "avgLogprobs" => {}
            "safetyRatings" => losses.add(
                format!("candidates[{number}].safetyRatings"),
                "ratings have no place in other dialects",
            ),
            name => lose(losses, format_args!("candidates[{number}].{name}"), value),
        }
    }
    finish(&fields, &mut choice);
    Ok(choice)
}

fn finish<'a>(fields: &Fields<'a>, choice: &mut Choice<'a>) {
    let calls = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall(_)));
    let reason = field(fields, "finishReason");
    let word = reason.and_then(Raw::as_str).unwrap_or_default();
    choice.stop = stop::read(&word, calls);
    if matches!(choice.stop, Stop::Filter | Stop::Malformed | Stop::Other) {
        let words = field(fields, "finishMessage").or(reason);
        choice.stop_details = words.and_then(Text::of);
    }
}

fn content<'a>(content: Raw<'a>, choice: u32, losses: &mut Losses) -> Result<Vec<Part<'a>>, Error> {
    let mut parts = Vec::new();
    let Some(list) = get(content, "parts") else {
        return Ok(parts);
    };
    for (number, one) in list.elements().enumerate() {
        let place = Place::Answer(choice, number as u32);
        let one = one.map_err(|_| wrong(&place.to_string(), "an object"))?;
        part::push(&mut parts, part::read(&members(one), place, losses)?);
    }
    Ok(parts)
}

/// Writes a reply.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Result<Bytes, Error> {
    let mut out = Vec::with_capacity(1024);
    object(&mut out, |o| {
        o.array("candidates", |a| {
            let mut choices = reply.choices.iter();
            choices.try_for_each(|choice| answer(a, choice, asked, losses))
        })?;
        if let Some(tokens) = reply.usage {
            usage(o, tokens);
        }
        facts(o, reply.model.as_ref(), reply.id.as_ref(), asked);
        Ok::<_, Error>(())
    })?;
    Ok(out.into())
}

/// Which model answered, and the id of the reply.
pub(super) fn facts(
    o: &mut Object<'_>,
    model: Option<&Text<'_>>,
    id: Option<&Text<'_>>,
    asked: &Asked,
) {
    match model {
        Some(model) => o.text("modelVersion", model),
        None => o.str("modelVersion", &asked.model),
    }
    match id {
        Some(id) => o.text("responseId", id),
        None => o.str("responseId", &asked.call),
    }
}

/// Writes a `usageMetadata`: thoughts are counted beside the candidates.
pub(super) fn usage(o: &mut Object<'_>, tokens: Tokens) {
    o.object("usageMetadata", |o| {
        o.u64("promptTokenCount", tokens.input);
        o.u64(
            "candidatesTokenCount",
            tokens.output.saturating_sub(tokens.reasoning),
        );
        o.u64(
            "totalTokenCount",
            tokens.input.saturating_add(tokens.output),
        );
        if tokens.cache_read > 0 {
            o.u64("cachedContentTokenCount", tokens.cache_read);
        }
        if tokens.reasoning > 0 {
            o.u64("thoughtsTokenCount", tokens.reasoning);
        }
    });
}

fn answer(
    a: &mut Array<'_>,
    choice: &Choice<'_>,
    asked: &Asked,
    losses: &mut Losses,
) -> Result<(), Error> {
    let place = || format!("choices[{}]", choice.index);
    a.object(|o| {
        let parts = &choice.parts;
        o.object("content", |o| {
            o.array("parts", |a| {
                let mut names = Names::default();
                let mut say = Say {
                    voice: Voice::Caller,
                    place: &place,
                    names: &mut names,
                    losses,
                    first_call: true,
                };
                let mut parts = parts.iter().peekable();
                let mut calls = 0;
                while let Some(part) = parts.next() {
                    let seal = parts.peek().and_then(|next| seal_of(next, Voice::Caller));
                    let written = match part {
                        Part::ToolCall(call) if call.id.is_none() => {
                            let mut call = call.clone();
                            call.id = Some(minted(asked, choice.index, calls));
                            say.part(a, &Part::ToolCall(call), seal.as_ref())?
                        }
                        part => say.part(a, part, seal.as_ref())?,
                    };
                    calls += u32::from(matches!(part, Part::ToolCall(_)));
                    if written {
                        parts.next();
                    }
                }
                Ok::<_, Error>(())
            })?;
            o.str("role", "model");
            Ok::<_, Error>(())
        })?;
        o.str("finishReason", stop::written(choice.stop));
        o.maybe_text("finishMessage", choice.stop_details.as_ref());
        o.u64("index", choice.index.into());
        Ok::<_, Error>(())
    })?;
    if choice.logprobs.is_some() {
        let field = format!("{}.logprobs", place());
        losses.add(
            field,
            "probabilities of tokens are not put in Gemini's form",
        );
    }
    Ok(())
}

/// The id of a call that came without one.
pub(super) fn minted(asked: &Asked, choice: u32, number: u32) -> Text<'static> {
    format!("call_{}_{choice}_{number}", asked.call).into()
}
