//! Messages.

use std::sync::Arc;

use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Members;
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;

use super::RenderAnthropic;
use super::usage;
use crate::dialect::{event, head};

/// The header every call to Anthropic carries. It also tells whose `/v1/models` is meant.
pub const VERSION_HEADER: &str = "anthropic-version";

/// Anthropic messages. It claims `POST /messages` and `/messages/count_tokens` wherever they are, what
/// else is under `/messages/`, and of the paths it shares with OpenAI those whose call has an
/// `anthropic-version`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

impl Dialect for Messages {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let (post, get) = (head.method == Method::POST, head.method == Method::GET);
        let ours = head.headers.contains_key(VERSION_HEADER);
        match path {
            _ if is_openais(path) => None,
            _ if post && path.ends_with("/messages") => Some(Operation::Chat),
            _ if post && path.ends_with("/messages/count_tokens") => Some(Operation::CountTokens),
            "/models" if get && ours => Some(Operation::ListModels),
            _ if get && ours && path.starts_with("/models/") => Some(Operation::GetModel),
            _ => (ours || path.starts_with("/messages/")).then_some(Operation::Other),
        }
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        // Every stream reports usage.
        head::read(body, |_, _| {}).map(|head| Head {
            usage_asked: true,
            ..head
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

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        let Ok(found) = event::type_of(data) else {
            return EventKind::Unparsable;
        };
        // Readers go by the name where there is one.
        let kind = if name.is_empty() { found } else { name };
        match kind {
            b"content_block_delta" => EventKind::Content,
            b"message_delta" => EventKind::Finish,
            b"message_stop" => EventKind::Done,
            b"error" => EventKind::Error,
            b"ping" => EventKind::KeepAlive,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        for member in Members::of_document(json).filter_map(Result::ok) {
            if member.key == "usage" {
                return usage::note(member.value, tokens);
            }
            if member.key == "message"
                && let Some(usage) = member.value.get("usage")
            {
                return usage::note(usage, tokens);
            }
        }
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderAnthropic)
    }
}

/// Whether only OpenAI's API has this path, whatever the headers say.
fn is_openais(path: &str) -> bool {
    path.starts_with("/threads/")
        || path.ends_with("/chat/completions")
        || path.ends_with("/embeddings")
}
