//! The way back: whole replies.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::content::{self, cites};
use super::{request, stop, usage};
use crate::dialect::fields::{field, given, lose, members};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Choice, Losses, Part, Reply, Text, read as reading};

/// Reads a reply.
pub(super) fn read<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let document = Raw::parse(body).map_err(reading::not_json);
    let document = document.and_then(|raw| read_document(raw, losses));
    document.map_err(reading::broken)
}

fn read_document<'a>(raw: Raw<'a>, losses: &mut Losses) -> Result<Reply<'a>, Error> {
    let mut reply = Reply::default();
    let mut choice = Choice::default();
    let mut found = false;
    for member in members(raw) {
        let value = member.value;
        match member.key.as_str().as_deref() {
            Some("id") => reply.id = Text::of(value),
            Some("finish_reason") => choice.stop = stop::read(value),
            Some("message") if value.kind() == Kind::Object => {
                found = true;
                let fields = members(value);
                let known = ["role", "content", "tool_plan", "tool_calls", "citations"];
                content::lose_others(&fields, &known, "message", losses);
                if let Some(content) = field(&fields, "content").and_then(given) {
                    choice.parts = content::read(content, "message.content", losses)?;
                }
                request::add_plan_and_calls(&fields, "message", &mut choice.parts, losses)?;
            }
            Some("usage") => {
                let mut tokens = Tokens::default();
                reply.usage = usage::note(value, &mut tokens).then_some(tokens);
            }
            name => lose(losses, name.unwrap_or_default(), value),
        }
    }
    if !found {
        return Err(reading::wrong("message", "an object"));
    }
    reply.choices.push(choice);
    Ok(reply)
}

/// Writes a reply of the first answer; others have no place in one.
pub(super) fn write(reply: &Reply<'_>, asked: &Asked, losses: &mut Losses) -> Bytes {
    let nothing = Choice::default();
    let choice = reply.choices.first().unwrap_or(&nothing);
    for other in reply.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", other.index), "a reply is one answer");
    }
    if choice.logprobs.is_some() {
        losses.add("logprobs", "Cohere tells probabilities in another form");
    }
    let mut body = Vec::with_capacity(512);
    object(&mut body, |o| {
        match &reply.id {
            Some(id) => o.text("id", id),
            None => o.str("id", &asked.call),
        }
        o.object("message", |o| {
            write_message(&choice.parts, asked, losses, o);
        });
        o.str("finish_reason", stop::word(choice.stop, losses));
        o.object("usage", |o| {
            usage::write(&reply.usage.unwrap_or_default(), o);
        });
    });
    body.into()
}

fn write_message(parts: &[Part<'_>], asked: &Asked, losses: &mut Losses, o: &mut Object<'_>) {
    o.str("role", "assistant");
    let is_call = |part: &Part<'_>| matches!(part, Part::ToolCall(_));
    if parts.iter().any(|part| !is_call(part)) {
        o.array("content", |blocks| {
            for part in parts {
                match part {
                    Part::Text { text, .. } | Part::Refusal(text) => blocks.object(|block| {
                        block.str("type", "text");
                        block.text("text", text);
                    }),
                    Part::Reasoning(one) => content::write_thinking(one, true, blocks),
                    Part::ToolCall(_) => {}
                    Part::Media(_) | Part::ToolResult(_) | Part::Foreign { .. } => {
                        losses.add("content", "Cohere's models answer in words alone");
                    }
                }
            }
        });
    }
    for part in parts {
        if let Part::Text {
            citations: Some(list),
            ..
        } = part
        {
            match cites(*list) {
                true => o.raw("citations", list.bytes()),
                false => losses.add("citations", "Cohere cites in another form"),
            }
        }
    }
    if !parts.iter().any(is_call) {
        return;
    }
    o.array("tool_calls", |list| {
        for (number, part) in parts.iter().enumerate() {
            if let Part::ToolCall(call) = part {
                let minted = || Text::from(format!("call_{}_{number}", asked.call));
                let id = call.id.clone().unwrap_or_else(minted);
                content::write_call(call, &id, &call.name, true, list);
            }
        }
    });
}
