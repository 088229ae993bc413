//! The responses API.

mod event;
mod input;
mod items;
mod open;
mod output;
mod read;
mod reader;
mod reply;
mod turns;
mod wire;
mod write;
mod writer;

use std::sync::Arc;

use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Members;
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;

use super::RenderOpenAi;
use super::usage::{RESPONSES, note_usage};
use crate::dialect::event::type_of;
use crate::dialect::head;

pub use wire::ResponsesWire;

/// OpenAI responses. It claims `POST /responses`; what is asked about a stored response is claimed too and
/// passes through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responses;

impl Dialect for Responses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        if head.method == Method::POST && path.ends_with("/responses") {
            return Some(Operation::Chat);
        }
        path.starts_with("/responses/").then_some(Operation::Other)
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        // The terminal event always carries usage.
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
        // Some hosts close with it, and it says nothing: the terminal event is one of those below.
        if data.trim_ascii() == b"[DONE]" {
            return EventKind::Other;
        }
        let Ok(found) = type_of(data) else {
            return EventKind::Unparsable;
        };
        // Readers go by the type; the name repeats it.
        match if found.is_empty() { name } else { found } {
            b"response.completed" | b"response.incomplete" => EventKind::Done,
            b"response.failed" | b"error" => EventKind::Error,
            kind if kind.ends_with(b".delta") => EventKind::Content,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        let mut members = Members::of_document(json).filter_map(Result::ok);
        let usage = members.find_map(|member| {
            if member.key == "usage" {
                Some(member.value)
            } else if member.key == "response" {
                member.value.get("usage")
            } else {
                None
            }
        });
        usage.is_some_and(|usage| note_usage(&RESPONSES, usage, tokens))
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderOpenAi::responses())
    }
}

#[cfg(test)]
mod tests;
