//! Content generation, and the rest of the Gemini API.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, request, response};
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, JsonError, KeySet, Members, Raw, quote};
use portcullis_core::llm::{Dialect, EventKind, Head, MAX_EVENT, Operation};
use portcullis_core::payload::{Doc, Payload, replace};
use portcullis_core::respond::Render;
use portcullis_core::wire::Split;
use portcullis_core::wire::sse::Splitter;

use super::RenderGemini;
use super::array::{END, Elements};
use super::url::{self, Called, Verb};
use super::usage::note_usage;
use crate::dialect::event::is_filled;
use crate::dialect::head;

/// Gemini's generateContent. It claims the calls of models (`/models/M:generateContent` and its kin, under
/// `/v1`, `/v1beta` or Vertex's path of a project), and of the paths it shares with others those whose call
/// has a Google key or asks for `/v1beta`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Generate;

impl Dialect for Generate {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let (post, get) = (head.method == Method::POST, head.method == Method::GET);
        if let Some(called) = Called::read(path).filter(|_| post) {
            return Some(called.verb.operation());
        }
        if !is_googles(head, path) {
            return None;
        }
        Some(match path {
            "/models" if get => Operation::ListModels,
            _ if get && path.starts_with("/models/") => Operation::GetModel,
            _ => Operation::Other,
        })
    }

    fn head(&self, _: Operation, head: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        let path = head.uri.path();
        let called = Called::read(path).ok_or_else(unnamed)?;
        let mut keys = KeySet::default();
        for member in Members::of_document(body) {
            let member = member.map_err(head::not_json)?;
            if !keys.insert(member.key) {
                let key = member.key.as_str().unwrap_or_default();
                let what = format!("the key `{key}` stands twice");
                return Err(Error::new(&codes::DUPLICATE_KEY, what).param(&key));
            }
        }
        Ok(Head {
            model: called.model(path).ok_or_else(unnamed)?.into_owned(),
            stream: called.verb == Verb::Stream,
            // Every stream reports usage.
            usage_asked: true,
        })
    }

    fn set_model(
        &self,
        head: &mut Arc<request::Parts>,
        body: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error> {
        url::set_model(Arc::make_mut(head), model)?;
        rename(body, model)
    }

    fn splitter(&self, head: &response::Parts, asked: bool) -> Option<Box<dyn Split>> {
        let kind = head.headers.get(CONTENT_TYPE);
        let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
        let is = |render: RenderGemini| render.is_stream(kind);
        if is(RenderGemini::events()) {
            return Some(Box::new(Splitter::new(MAX_EVENT)));
        }
        let array = asked && head.status.is_success() && is(RenderGemini::array());
        array.then(|| Box::new(Elements::new(MAX_EVENT)) as _)
    }

    fn classify(&self, _: &[u8], data: &[u8]) -> EventKind {
        if data.is_empty() {
            return EventKind::KeepAlive;
        }
        if data == END {
            return EventKind::Done;
        }
        let mut chunk = Chunk::default();
        match chunk.read(data) {
            Ok(true) => chunk.kind(),
            Ok(false) | Err(_) => EventKind::Unparsable,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        let usage = Members::of_document(json)
            .filter_map(Result::ok)
            .find(|member| member.key == "usageMetadata");
        usage.is_some_and(|member| note_usage(member.value, tokens))
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderGemini::events())
    }

    fn render_for(&self, head: &request::Parts) -> Arc<dyn Render> {
        let streams = Called::read(head.uri.path()).is_some_and(|c| c.verb == Verb::Stream);
        Arc::new(if streams && !url::wants_sse(head) {
            RenderGemini::array()
        } else {
            RenderGemini::events()
        })
    }
}

fn unnamed() -> Error {
    Error::new(&codes::INVALID_FIELD, "the URL names no model").param("model")
}

/// Whether a call that any of several APIs could mean is one of Google's.
fn is_googles(head: &request::Parts, path: &str) -> bool {
    let compatible = path.starts_with("/openai/") || path.ends_with("/chat/completions");
    let named = ["x-goog-api-key", "x-goog-api-client"];
    let ours = || {
        named.iter().any(|name| head.headers.contains_key(*name))
            || head.uri.path().contains("/v1beta/")
            || url::has_key(head)
    };
    !compatible && ours()
}

/// Names of models inside of a body: some operations repeat the one of the URL there, and it must be the same.
fn rename(body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
    let raw = body.raw().clone();
    let mut edits = Vec::new();
    let name = quote(&match model.starts_with("tunedModels/") {
        true => model.to_owned(),
        false => format!("models/{model}"),
    });
    let mut note = |value: Raw<'_>| {
        if value.str_bytes().is_some() {
            edits.push(replace(value, name.clone()));
        }
    };
    for member in Members::of_document(&raw) {
        let member = member.map_err(head::not_json)?;
        if member.key == "model" {
            note(member.value);
        } else if member.key == "generateContentRequest" {
            member.value.get("model").map(&mut note);
        } else if member.key == "requests" {
            let each = member.value.elements().filter_map(Result::ok);
            each.filter_map(|one| one.get("model")).for_each(&mut note);
        }
    }
    if edits.is_empty() {
        return Ok(());
    }
    head::splice(body, &mut edits)
}

/// What was found in an event.
#[derive(Default)]
struct Chunk {
    content: bool,
    finish: bool,
    error: bool,
}

impl Chunk {
    /// Reads an event in one pass. Returns whether it is an object.
    fn read(&mut self, data: &[u8]) -> Result<bool, JsonError> {
        let mut cursor = Cursor::new(data)?;
        let object = cursor.object(|key, at| {
            if key == "candidates" {
                at.array(|at| self.candidate(at))?;
            } else if key == "promptFeedback" {
                at.object(|key, at| {
                    self.finish |= key == "blockReason" && is_filled(at.value()?);
                    Ok(())
                })?;
            } else if key == "error" {
                self.error |= !at.value()?.is_null();
            }
            Ok(())
        })?;
        cursor.end()?;
        Ok(object)
    }

    fn candidate(&mut self, at: &mut Cursor<'_>) -> Result<(), JsonError> {
        at.object(|key, at| {
            if key == "content" {
                at.object(|key, at| {
                    self.content |= key == "parts" && is_filled(at.value()?);
                    Ok(())
                })?;
            } else if key == "finishReason" {
                let reason = at.value()?;
                self.finish |= is_filled(reason) && !is_unspecified(reason);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn kind(&self) -> EventKind {
        if self.error {
            EventKind::Error
        } else if self.finish {
            EventKind::Finish
        } else if self.content {
            EventKind::Content
        } else {
            EventKind::Other
        }
    }
}

/// Protocol buffers' way to say nothing.
fn is_unspecified(reason: Raw<'_>) -> bool {
    reason.str_bytes() == Some(b"FINISH_REASON_UNSPECIFIED")
}
