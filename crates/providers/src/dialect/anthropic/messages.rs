//! Messages.

use std::sync::Arc;

use http::{Method, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Members, Raw};
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;

use super::RenderAnthropic;
use crate::dialect::head;

/// The header every call to Anthropic carries. It also tells whose `/v1/models` is meant.
pub const VERSION_HEADER: &str = "anthropic-version";

/// Anthropic messages. It claims `POST /messages` and `/messages/count_tokens` wherever they are, and of
/// the paths it shares with OpenAI those whose call has an `anthropic-version`.
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
            _ if post && path.ends_with("/messages") => Some(Operation::Chat),
            _ if post && path.ends_with("/messages/count_tokens") => Some(Operation::CountTokens),
            "/models" if get && ours => Some(Operation::ListModels),
            _ if get && ours && path.starts_with("/models/") => Some(Operation::GetModel),
            _ => ours.then_some(Operation::Other),
        }
    }

    fn head(&self, _: Operation, body: &[u8]) -> Result<Head, Error> {
        // Every stream reports usage.
        head::read(body, |_, _| {}).map(|head| Head {
            usage_asked: true,
            ..head
        })
    }

    fn set_model(&self, body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
        head::set_model(body, model)
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        match name {
            b"content_block_delta" => EventKind::Content,
            b"message_delta" => EventKind::Finish,
            b"message_stop" => EventKind::Done,
            b"error" => EventKind::Error,
            b"ping" => EventKind::KeepAlive,
            _ if Raw::parse(data).is_err() => EventKind::Unparsable,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        for member in Members::of_document(json).filter_map(Result::ok) {
            if member.key == "usage" {
                return note_usage(member.value, tokens);
            }
            if member.key == "message"
                && let Some(usage) = member.value.get("usage")
            {
                return note_usage(usage, tokens);
            }
        }
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderAnthropic)
    }
}

/// Takes in a `usage` object. Cached tokens stand beside `input_tokens`, not in it; counts in later events
/// of a stream are totals that replace earlier ones, and may be left out when they have not changed.
fn note_usage(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    let count = |key: &str| usage.get(key).and_then(Raw::as_u64);
    let plain = tokens.input - tokens.cache_read - tokens.cache_write;
    tokens.cache_read = count("cache_read_input_tokens").unwrap_or(tokens.cache_read);
    tokens.cache_write = count("cache_creation_input_tokens").unwrap_or(tokens.cache_write);
    tokens.input = count("input_tokens").unwrap_or(plain) + tokens.cache_read + tokens.cache_write;
    tokens.output = count("output_tokens").unwrap_or(tokens.output);
    let reasoning = usage
        .path(&["output_tokens_details", "thinking_tokens"])
        .and_then(Raw::as_u64);
    tokens.reasoning = reasoning.unwrap_or(tokens.reasoning);
    true
}
