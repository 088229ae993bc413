//! What core must know of a wire format. Implemented in the providers crate, or by anyone.

use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, request, response};

use super::{EventKind, LlmRequest, MAX_EVENT};
use crate::context::Tokens;
use crate::error::Error;
use crate::payload::{Doc, Payload};
use crate::respond::Render;
use crate::wire::Split;
use crate::wire::sse::Splitter;

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// The next turn of a conversation.
    Chat,
    /// Vectors for texts.
    Embeddings,
    /// How many tokens a conversation would use.
    CountTokens,
    /// Which models there are.
    ListModels,
    /// Facts about one model.
    GetModel,
    /// Something the gateway does not model: passed through, signed and recorded, never inspected.
    Other,
}

impl Operation {
    /// Its name in records: OpenTelemetry's `gen_ai.operation.name` where that has one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
            Self::GetModel => "get_model",
            Self::Other => "other",
        }
    }

    /// Whether its request is a JSON document the gateway reads.
    pub const fn reads_body(self) -> bool {
        matches!(self, Self::Chat | Self::Embeddings | Self::CountTokens)
    }
}

/// What routing needs to know of a request, read in one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The model asked for.
    pub model: String,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Whether the caller asked for usage in the stream.
    pub usage_asked: bool,
}

/// A wire format: where its calls are, how its requests and replies are read and edited in place.
///
/// Implementations hold no state. Everything is given bytes and returns spans, splices or facts.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Its name in configuration and records.
    fn name(&self) -> &'static str;

    /// What a request with this head asks for, if it is written in this dialect. `path` is the
    /// [API path](super::api_path).
    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation>;

    /// Reads what routing needs of a request: its body in one pass, without building a tree, or its URL where
    /// the dialect names model and streaming there.
    ///
    /// # Errors
    ///
    /// `body_not_json`, `duplicate_key` for a key on which the gateway and an upstream could disagree, or
    /// `invalid_field`.
    fn head(&self, operation: Operation, head: &request::Parts, body: &[u8])
    -> Result<Head, Error>;

    /// Writes another model's name into the request: into the body, as a splice, or into the URL of the head, which
    /// is copied only then.
    ///
    /// # Errors
    ///
    /// `invalid_field` when there is no model to replace.
    fn set_model(
        &self,
        head: &mut Arc<request::Parts>,
        body: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error>;

    /// What cuts a reply with this head into events; `None` when it is no stream. `asked` says whether a stream
    /// was asked for. By default a stream is what says that it is server-sent events.
    fn splitter(&self, head: &response::Parts, asked: bool) -> Option<Box<dyn Split>> {
        let _ = asked;
        is_sse(head).then(|| Box::new(Splitter::new(MAX_EVENT)) as _)
    }

    /// Makes a streamed call ask for usage, as a splice; returns whether the body had to be changed. Then
    /// the extra event, of kind [`EventKind::Usage`], is hidden from the caller.
    ///
    /// # Errors
    ///
    /// `invalid_field` when the options to be changed are not an object.
    fn ask_usage(&self, request: &LlmRequest, body: &mut Payload<Doc>) -> Result<bool, Error> {
        let _ = (request, body);
        Ok(false)
    }

    /// What kind of event this is, by its name and its data; no tree is built.
    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind;

    /// Reads the usage a whole reply or one event reports into `tokens`; counts that it repeats replace
    /// earlier ones. Returns whether any were there.
    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool;

    /// Bytes that keep the connection of a streamed reply alive and mean nothing; none where its streams have
    /// no such thing. Default: a comment of server-sent events.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b": keep-alive\n\n")
    }

    /// How errors are written.
    fn render(&self) -> Arc<dyn Render>;

    /// How errors are written for a call with this head, in dialects whose callers choose the framing of a stream.
    fn render_for(&self, head: &request::Parts) -> Arc<dyn Render> {
        let _ = head;
        self.render()
    }
}

/// Whether a reply says that it is server-sent events.
fn is_sse(head: &response::Parts) -> bool {
    let kind = head
        .headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    kind.get(..17)
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
}
