//! Encode: whole replies of Bedrock converse.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, JsonError};

use super::blocks::{Blocks, Side};
use super::reading::{Place, Reading};
use super::{content, stop, usage};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Choice, Losses, Names, Part, Reply, Text};

/// Reads a reply.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let mut cx = Reading::new(losses);
    let mut reply = Reply::default();
    let mut choice = None;
    let read = document(&mut cx, body, &mut reply, &mut choice);
    cx.end(read, broken).map_err(|e| {
        let what = format!("the upstream's reply is no converse reply: {}", e.message());
        Error::new(&codes::UPSTREAM_BROKEN, what).because(e)
    })?;
    let choice = choice.ok_or_else(|| {
        let what = "the upstream's reply is no converse reply: it has no `output`";
        Error::new(&codes::UPSTREAM_BROKEN, what)
    })?;
    reply.choices.push(choice);
    Ok(reply)
}

fn broken(e: JsonError) -> Error {
    Error::new(
        &codes::UPSTREAM_BROKEN,
        format!("it is not valid JSON: {e}"),
    )
}

fn document<'a>(
    cx: &mut Reading<'_>,
    body: &'a [u8],
    reply: &mut Reply<'a>,
    choice: &mut Option<Choice<'a>>,
) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(body)?;
    let (mut stop, mut sequence) = (None, None);
    cx.object(&mut cursor, Place::Top, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&Place::Top, &name);
        match &*name {
            "output" => cx.object(at, here, |cx, key, at| {
                if key != "message" {
                    return cx.lose(at, here, key, "it is not known");
                }
                message(cx, at, Place::Key(&here, "message"), choice)
            }),
            "stopReason" => {
                stop = Some(cx.text(at, here)?);
                Ok(())
            }
            "usage" => {
                let mut tokens = Tokens::default();
                let said = usage::read(at.value()?, &mut tokens);
                reply.usage = said.then_some(tokens);
                Ok(())
            }
            "serviceTier" => cx.object(at, here, |cx, key, at| {
                if key == "type" {
                    reply.tier = Some(cx.text(at, Place::Key(&here, "type"))?);
                    return Ok(());
                }
                cx.lose(at, here, key, "it is not known")
            }),
            "additionalModelResponseFields" => {
                sequence = stop::sequence(at.value()?);
                Ok(())
            }
            // How long the provider took is no part of what it said.
            "metrics" | "performanceConfig" => at.value().map(drop),
            _ => cx.lose(at, Place::Top, key, "other dialects have no such field"),
        }
    })?;
    cursor.end()?;
    if let Some(choice) = choice {
        choice.stop = stop
            .map(|word| stop::read(&word.plain()))
            .unwrap_or_default();
        choice.stop_sequence = sequence;
    }
    Ok(())
}

fn message<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    choice: &mut Option<Choice<'a>>,
) -> Result<(), JsonError> {
    let mut found = Choice::default();
    cx.object(at, place, |cx, key, at| {
        if key == "content" {
            let here = Place::Key(&place, "content");
            return content::read(cx, at, here, &mut found.parts);
        }
        if key == "role" {
            return at.value().map(drop);
        }
        cx.lose(at, place, key, "it is not known")
    })?;
    *choice = Some(found);
    Ok(())
}

/// Writes a reply.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Result<Bytes, Error> {
    let mut choices = reply.choices.iter();
    let none = Choice::default();
    let choice = choices.next().unwrap_or(&none);
    if choices.next().is_some() {
        losses.add("choices[1]", "Bedrock has one answer only");
    }
    if choice.logprobs.is_some() {
        losses.add("logprobs", "Bedrock has no such field");
    }
    if choice.stop_details.is_some() {
        losses.add("stop_details", "Bedrock has no such field");
    }
    let mut parts = choice.parts.clone();
    mint(&mut parts, &asked.call);
    let mut body = Vec::with_capacity(512);
    object(&mut body, |o| {
        o.object("output", |o| {
            o.object("message", |o| {
                o.str("role", "assistant");
                o.array("content", |a| {
                    let mut names = Names::default();
                    let mut blocks = Blocks::new(Side::Reply, &mut names, losses);
                    blocks.write(&parts, "content", a)
                })
            })
        })?;
        o.str("stopReason", stop::word(choice.stop));
        usage::write(reply.usage.unwrap_or_default(), o);
        write_metrics(o);
        if let Some(sequence) = &choice.stop_sequence {
            o.object("additionalModelResponseFields", |o| {
                o.text("stop_sequence", sequence);
            });
        }
        Ok::<_, Error>(())
    })?;
    Ok(body.into())
}

/// Every reply has them. Nobody has measured the provider's time, which is what belongs there.
pub(super) fn write_metrics(o: &mut Object<'_>) {
    o.object("metrics", |o| o.u64("latencyMs", 0));
}

/// Gives calls without an id one of their own, by their number.
fn mint(parts: &mut [Part<'_>], call: &str) {
    let calls = parts.iter_mut().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    });
    for (number, made) in calls.enumerate() {
        made.id.get_or_insert_with(|| minted(call, number));
    }
}

/// The id of a call whose provider gave it none.
pub(super) fn minted(call: &str, number: usize) -> Text<'static> {
    Text::from(format!("tooluse_{call}_{number}"))
}
