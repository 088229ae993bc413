//! The responses API.

use std::sync::Arc;

use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Members, Raw};
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;

use super::RenderOpenAi;
use crate::dialect::head;

/// OpenAI responses. It claims `POST /responses`; what is asked about a stored response passes through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Responses;

impl Dialect for Responses {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        (head.method == Method::POST && path.ends_with("/responses")).then_some(Operation::Chat)
    }

    fn head(&self, _: Operation, body: &[u8]) -> Result<Head, Error> {
        // The terminal event always carries usage.
        head::read(body, |_, _| {}).map(|head| Head {
            usage_asked: true,
            ..head
        })
    }

    fn set_model(&self, body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
        head::set_model(body, model)
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        let kind;
        let name = if name.is_empty() {
            let Some(found) = type_of(data) else {
                return EventKind::Unparsable;
            };
            kind = found;
            kind.as_bytes()
        } else {
            name
        };
        match name {
            b"response.completed" | b"response.incomplete" => EventKind::Done,
            b"response.failed" | b"error" => EventKind::Error,
            _ if name.ends_with(b".delta") => EventKind::Content,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        for member in Members::of_document(json).filter_map(Result::ok) {
            let usage = if member.key == "usage" {
                Some(member.value)
            } else if member.key == "response" {
                member.value.get("usage")
            } else {
                None
            };
            if let Some(usage) = usage {
                return responses_usage(usage, tokens);
            }
        }
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderOpenAi::responses())
    }
}

fn type_of(data: &[u8]) -> Option<String> {
    let member = Members::of_document(data).find_map(|m| m.ok().filter(|m| m.key == "type"))?;
    member.value.as_str().map(std::borrow::Cow::into_owned)
}

/// Reads a `usage` object of a response: cached tokens are inside `input_tokens`, reasoning inside
/// `output_tokens`.
fn responses_usage(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let count = |keys: &[&str]| usage.path(keys).and_then(Raw::as_u64).unwrap_or(0);
    tokens.input = count(&["input_tokens"]);
    tokens.output = count(&["output_tokens"]);
    tokens.cache_read = count(&["input_tokens_details", "cached_tokens"]);
    tokens.cache_write = count(&["input_tokens_details", "cache_write_tokens"]);
    tokens.reasoning = count(&["output_tokens_details", "reasoning_tokens"]);
    true
}
