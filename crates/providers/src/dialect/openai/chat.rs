//! Chat completions, and every part of OpenAI's API that no other dialect claims.

mod calls;
mod chunk;
mod chunks;
mod message;
mod messages;
mod parts;
mod read;
mod reader;
mod reasoning;
mod reply;
mod turns;
mod wire;
mod write;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, JsonError, Key, Kind, Members, Raw};
use portcullis_core::llm::{Dialect, EventKind, Head, LlmRequest, Operation};
use portcullis_core::payload::{Change, Doc, Payload, edit_object};
use portcullis_core::respond::Render;

use super::usage::{CHAT, note_usage};
use super::{RenderOpenAi, plain};
use crate::dialect::event::is_filled;
use crate::dialect::head;

pub(super) use read::{effort as read_effort, untranslatable};
pub use wire::ChatWire;
pub(super) use write::{effort as written_effort, tier as write_tier};

/// OpenAI chat completions; with them embeddings, models, and whatever else is asked under the same base
/// URL, which is passed through as [`Operation::Other`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Chat;

impl Dialect for Chat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let post = head.method == Method::POST;
        Some(match path {
            _ if post && path.ends_with("/chat/completions") => Operation::Chat,
            _ if post && path.ends_with("/embeddings") => Operation::Embeddings,
            "/models" if head.method == Method::GET => Operation::ListModels,
            _ if head.method == Method::GET && path.starts_with("/models/") => Operation::GetModel,
            _ => Operation::Other,
        })
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        head::read(body, |member, head| {
            if member.key == "stream_options" {
                head.usage_asked = member
                    .value
                    .get("include_usage")
                    .and_then(Raw::as_bool)
                    .unwrap_or(false);
            }
        })
    }

    fn set_model(
        &self,
        _: &mut Arc<request::Parts>,
        body: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error> {
        head::set_model(body, model)
    }

    fn ask_usage(&self, request: &LlmRequest, body: &mut Payload<Doc>) -> Result<bool, Error> {
        let wanted = request.operation == Operation::Chat && request.stream && !request.usage_asked;
        if !wanted {
            return Ok(false);
        }
        let raw = body.raw().clone();
        let document = Raw::parse(&raw).map_err(head::not_json)?;
        let yes = || Change::Set(Bytes::from_static(b"true"));
        let options = options(document)?.filter(|options| !options.is_null());
        let edits = match options {
            Some(options) => edit_object(options, &[("include_usage", yes())]),
            None => {
                let options = Change::Set(Bytes::from_static(br#"{"include_usage":true}"#));
                edit_object(document, &[("stream_options", options)])
            }
        };
        let mut edits = edits.map_err(|_| head::wrong("stream_options", "an object"))?;
        head::splice(body, &mut edits)?;
        Ok(true)
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        if name.is_empty() && plain::is_content(data) {
            return EventKind::Content;
        }
        if data.trim_ascii() == b"[DONE]" {
            return EventKind::Done;
        }
        let mut chunk = Chunk {
            // OpenAI's own events have no names; hosts that name one mean it.
            error: name == b"error",
            ..Chunk::default()
        };
        match chunk.read(data) {
            Ok(true) => chunk.kind(),
            Ok(false) | Err(_) => EventKind::Unparsable,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        let usage = Members::of_document(json)
            .filter_map(Result::ok)
            .find(|m| m.key == "usage");
        usage.is_some_and(|member| note_usage(&CHAT, member.value, tokens))
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderOpenAi::chat())
    }
}

/// The `stream_options` of a call. In another case they are refused: what is added to the call would stand
/// twice for a reader that ignores case.
fn options(call: Raw<'_>) -> Result<Option<Raw<'_>>, Error> {
    let mut options = None;
    for member in call.members().flatten() {
        if member.key == "stream_options" {
            options = Some(member.value);
        } else if is_options(member.key) {
            let what = "the key `stream_options` is written in another case";
            return Err(Error::new(&codes::DUPLICATE_KEY, what).param("stream_options"));
        }
    }
    Ok(options)
}

fn is_options(key: Key<'_>) -> bool {
    let name = key.as_str();
    name.is_some_and(|name| name.eq_ignore_ascii_case("stream_options"))
}

/// What was found at the top level of a chunk.
#[derive(Default)]
struct Chunk {
    some_choice: bool,
    content: bool,
    finish: bool,
    usage: bool,
    error: bool,
}

impl Chunk {
    /// Reads an event in one pass. Returns whether it is an object.
    fn read(&mut self, data: &[u8]) -> Result<bool, JsonError> {
        let mut cursor = Cursor::new(data)?;
        let object = cursor.object(|key, at| {
            if key == "choices" {
                at.array(|at| self.choice(at))?;
            } else if key == "usage" {
                self.usage = at.value()?.kind() == Kind::Object;
            } else if key == "error" {
                self.error |= !at.value()?.is_null();
            }
            Ok(())
        })?;
        cursor.end()?;
        Ok(object)
    }

    fn choice(&mut self, at: &mut Cursor<'_>) -> Result<(), JsonError> {
        self.some_choice = true;
        at.object(|key, at| {
            if key == "delta" {
                at.object(|key, at| self.delta(key, at))?;
            } else if key == "finish_reason" {
                self.finish |= is_filled(at.value()?);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Whether a delta has text, reasoning, a refusal or a piece of a tool call, under whatever name: hosts
    /// have more names for reasoning than can be listed.
    fn delta(&mut self, key: Key<'_>, at: &mut Cursor<'_>) -> Result<(), JsonError> {
        self.content |= key != "role" && is_filled(at.value()?);
        Ok(())
    }

    fn kind(&self) -> EventKind {
        if self.error {
            EventKind::Error
        } else if self.finish {
            EventKind::Finish
        } else if self.content {
            EventKind::Content
        } else if self.usage && !self.some_choice {
            EventKind::Usage
        } else {
            EventKind::Other
        }
    }
}

#[cfg(test)]
mod tests;
