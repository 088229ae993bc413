//! The way back: whole replies.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::Raw;

use super::items::{self, Item, Place};
use super::output::{self, Response};
use crate::dialect::openai::chat::write_tier;
use crate::dialect::openai::usage::{RESPONSES, note_usage};
use crate::translate::read::{array, broken, document, object, value, wrong};
use crate::translate::write::{Object, object as write_object};
use crate::translate::{Asked, Choice, Losses, Part, Reply, Stop, Text};

/// Reads a reply.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let mut reply = Reply::default();
    let mut parts: Vec<Part<'a>> = Vec::new();
    let (mut status, mut reason, mut error, mut some) = (None, None, None, false);
    let read = document(body, |at| {
        object(at, |key, at| {
            if key == "output" {
                let mut index = 0;
                some = array(at, |at| {
                    let place = Place {
                        list: "output",
                        index,
                    };
                    index += 1;
                    push(&mut parts, items::read(at, place, losses)?, place, losses);
                    Ok(())
                })?;
                return Ok(());
            }
            let value = value(at)?;
            if key == "id" {
                reply.id = Text::of(value).filter(|id| !id.is_empty());
            } else if key == "model" {
                reply.model = Text::of(value);
            } else if key == "created_at" {
                reply.created = value.as_f64().map(|seconds| seconds as u64);
            } else if key == "service_tier" {
                reply.tier = Text::of(value);
            } else if key == "status" {
                status = Text::of(value);
            } else if key == "incomplete_details" {
                reason = value.get("reason").and_then(Text::of);
            } else if key == "error" {
                error = Some(value).filter(|error| !error.is_null());
            } else if key == "usage" {
                let mut tokens = Tokens::default();
                reply.usage = note_usage(&RESPONSES, value, &mut tokens).then_some(tokens);
            }
            Ok(())
        })
    });
    if let Some(error) = error {
        return Err(failed(error));
    }
    if !read.map_err(broken)? || !some {
        return Err(broken(wrong("output", "a list")));
    }
    let stop = stop(status.as_ref(), reason.as_ref(), &parts);
    reply.choices.push(Choice {
        parts,
        stop: stop.ok_or_else(|| broken(wrong("status", "that of a response that has ended")))?,
        ..Choice::default()
    });
    Ok(reply)
}

/// The response says that it failed, with a status that says it went well.
fn failed(error: Raw<'_>) -> Error {
    let message = error.get("message").and_then(Text::of);
    let message = message.unwrap_or_else(|| "without a word".into());
    let what = format!("the upstream's response failed: {}", message.plain());
    Error::new(&codes::UPSTREAM_BROKEN, what)
}

fn push<'a>(parts: &mut Vec<Part<'a>>, item: Item<'a>, place: Place, losses: &mut Losses) {
    match item {
        Item::Message { parts: words, .. } => parts.extend(words),
        Item::Call(call) => parts.push(Part::ToolCall(call)),
        Item::Reasoning(one) => items::push_reasoning(parts, one),
        Item::Nothing => {}
        Item::Result { .. } | Item::Foreign(_) => {
            losses.add(place.path(""), "no other dialect has such an item");
        }
    }
}

/// Why a response ended; `None` if it has not.
fn stop(status: Option<&Text<'_>>, reason: Option<&Text<'_>>, parts: &[Part<'_>]) -> Option<Stop> {
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    ended(status, reason, calls, refused)
}

/// The same, by what was seen in it.
pub(super) fn ended(
    status: Option<&Text<'_>>,
    reason: Option<&Text<'_>>,
    calls: bool,
    refused: bool,
) -> Option<Stop> {
    let is = |word| status.is_some_and(|status| status.is(word));
    if is("incomplete") {
        let filtered = reason.is_some_and(|reason| reason.is("content_filter"));
        return Some(if filtered { Stop::Filter } else { Stop::Length });
    }
    if !is("completed") && status.is_some() {
        return None;
    }
    Some(match (calls, refused) {
        (true, _) => Stop::ToolUse,
        (_, true) => Stop::Refusal,
        _ => Stop::End,
    })
}

/// Writes a reply.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Bytes {
    let mut items = Vec::new();
    let mut stop = Stop::End;
    if let Some((choice, more)) = reply.choices.split_first() {
        if !more.is_empty() {
            losses.add("choices", "a response is one answer");
        }
        if choice.logprobs.is_some() {
            losses.add("logprobs", "their form is another");
        }
        if choice.stop_sequence.is_some() {
            losses.add("stop_sequence", "responses do not tell which it was");
        }
        if choice.stop_details.is_some() {
            losses.add("stop_details", "responses do not tell why");
        }
        stop = choice.stop;
        items = write_items(choice, asked, losses);
    }
    let mut body = Vec::with_capacity(items.len() + 640);
    let response = Response {
        id: reply.id.as_ref(),
        model: reply.model.as_ref(),
        created: reply.created,
        output: &items,
        stop: Some(stop),
        usage: reply.usage,
    };
    write_object(&mut body, |o| {
        response.write(o, asked);
        write_tier(o, reply.tier.as_ref(), losses);
    });
    body.into()
}

/// The items of an answer. Words in a row are one message.
fn write_items(choice: &Choice<'_>, asked: &Asked, losses: &mut Losses) -> Vec<u8> {
    let status = output::status(Some(choice.stop));
    let mut out = Vec::new();
    let mut words: Vec<&Part<'_>> = Vec::new();
    let mut number = 0;
    let mut refused = false;
    for part in &choice.parts {
        match part {
            Part::Text { citations, .. } => {
                if citations.is_some() {
                    losses.add("citations", "their form is the provider's own");
                }
                words.push(part);
            }
            Part::Refusal(_) => {
                refused = true;
                words.push(part);
            }
            Part::ToolCall(call) => {
                message(&mut out, &mut words, &mut number, status, asked);
                item(&mut out, |o| {
                    o.str("type", "function_call");
                    o.str("id", &item_id("fc", asked, number));
                    match &call.id {
                        Some(id) => o.text("call_id", id),
                        None => o.str("call_id", &item_id("call", asked, number)),
                    }
                    o.text("name", &call.name);
                    call.arguments.write_string(o.key("arguments"));
                    o.str("status", "completed");
                });
                number += 1;
                if let Some(signature) = &call.signature {
                    let id = item_id("rs", asked, number);
                    item(&mut out, |o| output::sealed(o, signature, &id));
                    number += 1;
                }
            }
            Part::Reasoning(one) => {
                message(&mut out, &mut words, &mut number, status, asked);
                let id = one.id.clone();
                let id = id.unwrap_or_else(|| item_id("rs", asked, number).into());
                item(&mut out, |o| {
                    output::reasoning(o, one, Some(&id), Some("completed"));
                });
                number += 1;
            }
            Part::Media(_) => losses.add("media", "responses answer in words"),
            Part::ToolResult(_) => losses.add("tool_result", "it is the provider's own"),
            Part::Foreign { kind, .. } => {
                losses.add(kind.clone().into_owned(), "it is the provider's own");
            }
        }
    }
    message(&mut out, &mut words, &mut number, status, asked);
    output::note_stop(choice.stop, refused, losses);
    out
}

fn message(
    out: &mut Vec<u8>,
    words: &mut Vec<&Part<'_>>,
    number: &mut u64,
    status: &str,
    asked: &Asked,
) {
    if words.is_empty() {
        return;
    }
    item(out, |o| {
        o.str("type", "message");
        o.str("id", &item_id("msg", asked, *number));
        o.str("status", status);
        o.str("role", "assistant");
        o.array("content", |a| {
            for part in words.iter() {
                a.object(|o| match part {
                    Part::Refusal(text) => refusal(o, text),
                    Part::Text { text, .. } => words_of(o, text),
                    _ => words_of(o, &"".into()),
                });
            }
        });
    });
    *number += 1;
    words.clear();
}

/// The members of a part with words.
pub(super) fn words_of(o: &mut Object<'_>, text: &Text<'_>) {
    o.str("type", "output_text");
    o.text("text", text);
    o.array("annotations", |_| {});
    o.array("logprobs", |_| {});
}

/// The members of a part with a refusal.
pub(super) fn refusal(o: &mut Object<'_>, text: &Text<'_>) {
    o.str("type", "refusal");
    o.text("refusal", text);
}

/// Adds an item to a list.
pub(super) fn item(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    if !out.is_empty() {
        out.push(b',');
    }
    write_object(out, write);
}

/// The id of an item, of which no other dialect has any.
pub(super) fn item_id(prefix: &str, asked: &Asked, number: u64) -> String {
    format!("{prefix}_{}_{number}", asked.call)
}
