//! Decode and the way back: chat, version 2.

use std::sync::Arc;

use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Members;
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;

use super::{RenderCohere, usage};
use crate::dialect::{event, head};

/// Cohere chat, version 2. It claims `POST /chat`, but not that of version 1, which is another dialect, and
/// of the other paths those of version 2.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chat;

impl Dialect for Chat {
    fn name(&self) -> &'static str {
        "cohere-chat"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let before = head.uri.path().strip_suffix(path).unwrap_or_default();
        let newer = before.ends_with("/v2");
        match path {
            "/chat" if head.method == Method::POST => {
                let versioned = before.rsplit('/').next().unwrap_or_default();
                let older = versioned == "v1" || versioned == "v1beta";
                (!older).then_some(Operation::Chat)
            }
            _ => newer.then_some(Operation::Other),
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

    fn classify(&self, _: &[u8], data: &[u8]) -> EventKind {
        if data == b"[DONE]" {
            return EventKind::Done;
        }
        let Ok(found) = event::type_of(data) else {
            return EventKind::Unparsable;
        };
        match found {
            b"content-delta" | b"tool-plan-delta" | b"tool-call-start" | b"tool-call-delta"
            | b"citation-start" => EventKind::Content,
            b"message-end" if has_failed(data) => EventKind::Error,
            b"message-end" => EventKind::Finish,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        for member in Members::of_document(json).filter_map(Result::ok) {
            if member.key == "usage" {
                return usage::note(member.value, tokens);
            }
            if member.key == "delta"
                && let Some(usage) = member.value.get("usage")
            {
                return usage::note(usage, tokens);
            }
        }
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderCohere)
    }
}

/// Whether a last event tells of a failure: generation stopped for it, or its words are there.
fn has_failed(data: &[u8]) -> bool {
    let mut members = Members::of_document(data).filter_map(Result::ok);
    let delta = members.find(|member| member.key == "delta");
    delta.is_some_and(|delta| {
        let reason = delta.value.get("finish_reason");
        let reason = reason.and_then(|reason| reason.as_str());
        let words = delta.value.get("error").is_some_and(event::is_filled);
        words || matches!(reason.as_deref(), Some("ERROR" | "TIMEOUT"))
    })
}
