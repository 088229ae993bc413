//! The way back: whole messages.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Raw};

use super::block::{self, Blocks, Place, Reader};
use super::{stop, usage};
use crate::dialect::fields::{field, given, lose, members};
use crate::translate::write::object;
use crate::translate::{Asked, Choice, Losses, Part, Reply, Stop, Text, read as reading};

/// Reads a message.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let mut reply = Reply::default();
    let mut choice = Choice::default();
    let mut found = false;
    let is_object = reading::document(body, |at| {
        reading::object(at, |key, at| {
            found |= key == "content";
            member(key, at, &mut reply, &mut choice, losses)
        })
    });
    if !(is_object.map_err(reading::broken)? && found) {
        return Err(reading::broken(reading::wrong(
            "content",
            "a list of blocks",
        )));
    }
    reply.choices.push(choice);
    Ok(reply)
}

fn member<'a>(
    key: Key<'a>,
    at: &mut Cursor<'a>,
    reply: &mut Reply<'a>,
    choice: &mut Choice<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    if key == "content" {
        let mut number = 0;
        let is_list = reading::array(at, |at| {
            let place = Place::list("content").block(number);
            number += 1;
            read_block(reading::value(at)?, place, &mut choice.parts, losses)
        })?;
        if !is_list {
            return Err(reading::wrong("content", "a list of blocks"));
        }
        return Ok(());
    }
    let value = reading::value(at)?;
    match key.as_str().as_deref() {
        Some("id") => reply.id = Text::of(value),
        Some("model") => reply.model = Text::of(value),
        Some("stop_reason") => choice.stop = stop::read(value),
        Some("stop_sequence") => choice.stop_sequence = Text::of(value),
        Some("stop_details") => {
            let why = field(&members(value), "explanation");
            choice.stop_details = why.and_then(Text::of);
        }
        Some("usage") => {
            let mut tokens = Tokens::default();
            reply.usage = usage::note(value, &mut tokens).then_some(tokens);
            let tier = field(&members(value), "service_tier").and_then(given);
            reply.tier = tier.and_then(Text::of);
        }
        Some("type" | "role") => {}
        name => lose(losses, name.unwrap_or_default(), value),
    }
    Ok(())
}

fn read_block<'a>(
    raw: Raw<'a>,
    place: Place,
    parts: &mut Vec<Part<'a>>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let part = match block::read(&members(raw), place, losses)? {
        Ok(part) => part,
        Err(kind) => Part::Foreign { kind, raw },
    };
    block::push(parts, part, place, losses);
    Ok(())
}

/// Writes a message of the first answer; others have no place in one.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Result<Bytes, Error> {
    let nothing = Choice::default();
    let choice = reply.choices.first().unwrap_or(&nothing);
    for other in reply.choices.iter().skip(1) {
        let field = format!("choices[{}]", other.index);
        losses.add(field, "a message is one answer");
    }
    if choice.logprobs.is_some() {
        losses.add("logprobs", "messages have no probabilities");
    }
    let mut body = Vec::with_capacity(512);
    object(&mut body, |o| {
        match &reply.id {
            Some(id) => o.text("id", id),
            None => o.str("id", &format!("msg_{}", asked.call)),
        }
        o.str("type", "message");
        o.str("role", "assistant");
        match &reply.model {
            Some(model) => o.text("model", model),
            None => o.str("model", &asked.model),
        }
        o.array("content", |list| {
            let mut blocks = Blocks::new(Reader::Caller, losses);
            let mut parts = choice.parts.iter();
            parts.try_for_each(|part| blocks.part(part, list, &|| "content".to_owned()))
        })?;
        let refused = choice
            .parts
            .iter()
            .any(|part| matches!(part, Part::Refusal(_)));
        stop::write(
            o,
            stop::shown(choice.stop, refused),
            choice.stop_sequence.as_ref(),
            choice.stop_details.as_ref(),
        );
        o.object("usage", |o| {
            usage::write(&reply.usage.unwrap_or_default(), o);
            if let Some(tier) = reply.tier.as_ref().filter(|tier| stop::is_tier(tier)) {
                o.text("service_tier", tier);
            }
        });
        Ok::<_, Error>(())
    })?;
    if matches!(choice.stop, Stop::Malformed | Stop::Other) {
        losses.add("stop_reason", "messages have no word for it");
    }
    Ok(body.into())
}
