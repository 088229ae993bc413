//! The way back: whole replies.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Raw};

use super::message::{self, Message, Place};
use super::{reasoning, turns, write::tier};
use crate::dialect::openai::usage::{CHAT, note_usage, write_usage};
use crate::translate::read::{array, broken, document, object, text, value, wrong};
use crate::translate::write::{Array, Object, object as write_object};
use crate::translate::{Asked, Choice, Losses, Part, Reply, Stop, Text, ToolCall};

/// Reads a reply.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let mut reply = Reply::default();
    let mut some = false;
    let read = document(body, |at| {
        object(at, |key, at| {
            if key == "id" {
                reply.id = Text::of(value(at)?).filter(|id| !id.is_empty());
            } else if key == "model" {
                reply.model = Text::of(value(at)?);
            } else if key == "created" {
                reply.created = value(at)?.as_count();
            } else if key == "service_tier" {
                reply.tier = Text::of(value(at)?);
            } else if key == "usage" {
                let mut tokens = Tokens::default();
                reply.usage = note_usage(&CHAT, value(at)?, &mut tokens).then_some(tokens);
            } else if key == "choices" {
                reply.choices.clear();
                some = array(at, |at| {
                    let number = u32::try_from(reply.choices.len()).unwrap_or(u32::MAX);
                    reply.choices.push(choice(at, number, losses)?);
                    Ok(())
                })?;
            }
            Ok(())
        })
    });
    match read {
        Ok(true) if some => Ok(reply),
        Ok(_) => Err(broken(wrong("choices", "a list"))),
        Err(e) => Err(broken(e)),
    }
}

fn choice<'a>(at: &mut Cursor<'a>, number: u32, losses: &mut Losses) -> Result<Choice<'a>, Error> {
    let place = Place::choice(number);
    let mut choice = Choice {
        index: number,
        ..Choice::default()
    };
    let mut said: Option<Message<'a>> = None;
    let mut why = None;
    object(at, |key, at| {
        if key == "message" {
            said = Some(message::read(at, place, losses)?);
        } else if key == "index" {
            let index = value(at)?
                .as_u64()
                .and_then(|index| u32::try_from(index).ok());
            choice.index = index.unwrap_or(number);
        } else if key == "finish_reason" {
            why = text(at, || place.field("finish_reason"))?;
        } else if key == "logprobs" {
            choice.logprobs = Some(value(at)?).filter(|raw| !raw.is_null());
        }
        Ok(())
    })?;
    let said = said.ok_or_else(|| wrong("choices.message", "an object"))?;
    choice.parts = said.into_parts(place, losses);
    let refused = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::Refusal(_)));
    let calls = choice
        .parts
        .iter()
        .any(|part| matches!(part, Part::ToolCall(_)));
    choice.stop = stop(why.as_ref(), refused, calls);
    Ok(choice)
}

/// Why a choice ended: by its finish reason, and by what is in it where hosts say no more than that it ended.
pub(super) fn stop(why: Option<&Text<'_>>, refused: bool, calls: bool) -> Stop {
    let Some(why) = why else {
        return if calls { Stop::ToolUse } else { Stop::End };
    };
    match &*why.plain() {
        "tool_calls" | "function_call" => Stop::ToolUse,
        "length" => Stop::Length,
        "content_filter" => Stop::Filter,
        "stop" | "" if calls => Stop::ToolUse,
        "stop" if refused => Stop::Refusal,
        "stop" | "" => Stop::End,
        _ => Stop::Other,
    }
}

/// The finish reason of a choice.
pub(super) fn finish_reason(
    stop: Stop,
    refused: bool,
    calls: bool,
    functions: bool,
) -> &'static str {
    match stop {
        Stop::Length | Stop::Window => "length",
        Stop::Filter => "content_filter",
        Stop::Refusal if refused => "stop",
        Stop::Refusal => "content_filter",
        Stop::ToolUse | Stop::End | Stop::Sequence if calls && functions => "function_call",
        Stop::ToolUse | Stop::End | Stop::Sequence if calls => "tool_calls",
        _ => "stop",
    }
}

/// Notes the reasons chat completions have no word for.
pub(super) fn note_stop(stop: Stop, losses: &mut Losses) {
    let why = match stop {
        Stop::Pause => "the provider paused, and chat completions have no word for it",
        Stop::Malformed => "the model wrote what its provider could not read",
        Stop::Other => "chat completions have no word for why it ended",
        _ => return,
    };
    losses.add("finish_reason", why);
}

/// Writes a reply.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Bytes {
    let mut body = Vec::with_capacity(1024);
    write_object(&mut body, |o| {
        match &reply.id {
            Some(id) => o.text("id", id),
            None => o.str("id", &format!("chatcmpl-{}", asked.call)),
        }
        o.str("object", "chat.completion");
        o.u64("created", reply.created.unwrap_or(asked.created));
        match &reply.model {
            Some(model) => o.text("model", model),
            None => o.str("model", &asked.model),
        }
        o.array("choices", |a| {
            for choice in &reply.choices {
                write_choice(a, choice, asked, losses);
            }
        });
        if let Some(usage) = &reply.usage {
            o.object("usage", |o| write_usage(&CHAT, o, usage));
        }
        tier(o, reply.tier.as_ref(), losses);
    });
    body.into()
}

fn write_choice(a: &mut Array<'_>, choice: &Choice<'_>, asked: &Asked, losses: &mut Losses) {
    let texts = choice.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    });
    let refusals = choice.parts.iter().filter_map(|part| match part {
        Part::Refusal(text) => Some(text),
        _ => None,
    });
    let thoughts = choice.parts.iter().filter_map(|part| match part {
        Part::Reasoning(reasoning) => Some(reasoning),
        _ => None,
    });
    let calls: Vec<_> = choice.parts.iter().filter_map(call_of).collect();
    let refused = refusals.clone().next().is_some();
    note_parts(choice, losses);
    note_stop(choice.stop, losses);
    a.object(|o| {
        o.u64("index", choice.index.into());
        o.object("message", |o| {
            o.str("role", "assistant");
            reasoning::write(o, thoughts);
            if texts.clone().next().is_some() {
                turns::joined(o.key("content"), texts);
            } else {
                o.null("content");
            }
            if refused {
                turns::joined(o.key("refusal"), refusals);
            } else {
                o.null("refusal");
            }
            write_calls(o, &calls, choice.index, asked, losses);
        });
        o.raw("logprobs", choice.logprobs.map_or(b"null", Raw::bytes));
        let reason = finish_reason(choice.stop, refused, !calls.is_empty(), asked.functions);
        o.str("finish_reason", reason);
    });
}

fn call_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p ToolCall<'a>> {
    match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    }
}

/// Notes what of a choice a message has no place for.
fn note_parts(choice: &Choice<'_>, losses: &mut Losses) {
    for part in &choice.parts {
        match part {
            Part::Text {
                citations: Some(_), ..
            } => {
                losses.add("citations", "their form is the provider's own");
            }
            Part::Media(_) => losses.add("media", "chat completions answer in words"),
            Part::Foreign { kind, .. } => {
                losses.add(kind.clone().into_owned(), "it is the provider's own");
            }
            Part::ToolResult(_) => losses.add("tool_result", "it is the provider's own"),
            _ => {}
        }
    }
    if choice.stop_sequence.is_some() {
        losses.add("stop_sequence", "chat completions do not tell which it was");
    }
    if choice.stop_details.is_some() {
        losses.add("stop_details", "chat completions do not tell why");
    }
}

fn write_calls(
    o: &mut Object<'_>,
    calls: &[&ToolCall<'_>],
    choice: u32,
    asked: &Asked,
    losses: &mut Losses,
) {
    let function = |o: &mut Object<'_>, call: &ToolCall<'_>| {
        o.text("name", &call.name);
        call.arguments.write_string(o.key("arguments"));
    };
    if asked.functions {
        if let Some((first, more)) = calls.split_first() {
            o.object("function_call", |o| function(o, first));
            if !more.is_empty() {
                losses.add("tool_calls", "who speaks of functions is told of one call");
            }
        }
        return;
    }
    if calls.is_empty() {
        return;
    }
    o.array("tool_calls", |a| {
        for (index, call) in (0..).zip(calls) {
            a.object(|o| {
                match &call.id {
                    Some(id) => o.text("id", id),
                    None => o.str("id", &minted(asked, choice, index)),
                }
                o.str("type", "function");
                o.object("function", |o| function(o, call));
                if let Some(signature) = &call.signature {
                    write_signature(o, &signature.written("google"));
                }
            });
        }
    });
}

/// The id of a call that came without one.
pub(super) fn minted(asked: &Asked, choice: u32, index: u32) -> String {
    format!("call_{}_{choice}_{index}", asked.call)
}

/// Writes what a provider must be given back with a call, where Google's hosts have it.
pub(super) fn write_signature(o: &mut Object<'_>, data: &Text<'_>) {
    o.object("extra_content", |o| {
        o.object("google", |o| o.text("thought_signature", data));
    });
}
