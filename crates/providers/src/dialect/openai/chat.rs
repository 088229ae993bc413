//! Chat completions, and every part of OpenAI's API that no other dialect claims.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Members, Raw};
use portcullis_core::llm::{Dialect, EventKind, Head, LlmRequest, Operation};
use portcullis_core::payload::{Change, Doc, Payload, edit_object};
use portcullis_core::respond::Render;

use super::RenderOpenAi;
use crate::dialect::head;

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

    fn head(&self, _: Operation, body: &[u8]) -> Result<Head, Error> {
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

    fn set_model(&self, body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
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
        let options = document
            .get("stream_options")
            .filter(|options| !options.is_null());
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

    fn classify(&self, _: &[u8], data: &[u8]) -> EventKind {
        if data.trim_ascii() == b"[DONE]" {
            return EventKind::Done;
        }
        let mut chunk = Chunk::default();
        for member in Members::of_document(data) {
            let Ok(member) = member else {
                return EventKind::Unparsable;
            };
            if member.key == "choices" {
                chunk.choices(member.value);
            } else if member.key == "usage" {
                chunk.usage = member.value.kind() == Kind::Object;
            } else if member.key == "error" {
                chunk.error = !member.value.is_null();
            }
        }
        chunk.kind()
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        let usage = Members::of_document(json)
            .filter_map(Result::ok)
            .find(|m| m.key == "usage");
        usage.is_some_and(|member| chat_usage(member.value, tokens))
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderOpenAi::chat())
    }
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
    fn choices(&mut self, choices: Raw<'_>) {
        for choice in choices.elements().filter_map(Result::ok) {
            self.some_choice = true;
            for member in choice.members().filter_map(Result::ok) {
                if member.key == "delta" {
                    self.content |= member
                        .value
                        .members()
                        .filter_map(Result::ok)
                        .any(|m| m.key != "role" && is_filled(m.value));
                } else if member.key == "finish_reason" {
                    self.finish |= is_filled(member.value);
                } else if member.key == "text" {
                    self.content |= is_filled(member.value);
                }
            }
        }
    }

    fn kind(&self) -> EventKind {
        match self {
            Self { error: true, .. } => EventKind::Error,
            Self { finish: true, .. } => EventKind::Finish,
            Self { content: true, .. } => EventKind::Content,
            Self {
                usage: true,
                some_choice: false,
                ..
            } => EventKind::Usage,
            _ => EventKind::Other,
        }
    }
}

/// Whether a value says anything: not null, not an empty text, list or object.
fn is_filled(value: Raw<'_>) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::String => value.str_bytes().is_some_and(|text| !text.is_empty()),
        Kind::Array => value.elements().next().is_some(),
        Kind::Object => value.members().next().is_some(),
        Kind::Number | Kind::Bool => true,
    }
}

/// Reads a `usage` object of chat completions or embeddings: cached tokens are inside `prompt_tokens`,
/// reasoning inside `completion_tokens`.
fn chat_usage(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let count = |keys: &[&str]| usage.path(keys).and_then(Raw::as_u64).unwrap_or(0);
    tokens.input = count(&["prompt_tokens"]);
    tokens.output = count(&["completion_tokens"]);
    tokens.cache_read = count(&["prompt_tokens_details", "cached_tokens"]);
    tokens.cache_write = count(&["prompt_tokens_details", "cache_write_tokens"]);
    tokens.reasoning = count(&["completion_tokens_details", "reasoning_tokens"]);
    true
}
