//! Converse: one form for the conversations of all models.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, request, response};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Members;
use portcullis_core::llm::{Dialect, EventKind, Head, MAX_EVENT, Operation, api_path};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;
use portcullis_core::wire::Split;

use super::error::is_event_stream;
use super::{EventStreamSplitter, RenderBedrock, path, usage};
use crate::dialect::head;

/// Bedrock converse. It claims `POST /model/{modelId}/converse`, `/converse-stream` and `/count-tokens`, and what else
/// only Bedrock's runtime has: other actions on a model, guardrails, asynchronous invocations. Model and streaming are
/// said in the URL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Converse;

impl Dialect for Converse {
    fn name(&self) -> &'static str {
        "bedrock-converse"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let post = head.method == Method::POST;
        match path::split(path) {
            Some((_, "converse" | "converse-stream")) if post => Some(Operation::Chat),
            Some((_, "count-tokens")) if post => Some(Operation::CountTokens),
            Some(_) => Some(Operation::Other),
            None => {
                let ours = ["/guardrail/", "/guardrail-checks/", "/async-invoke"];
                let ours = ours.iter().any(|start| path.starts_with(start));
                ours.then_some(Operation::Other)
            }
        }
    }

    fn head(&self, _: Operation, head: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        head::unique(body, |_| Ok(()))?;
        Ok(Head {
            model: path::model(&head.uri)?.into_owned(),
            stream: is_streamed(head),
            // Every stream reports usage.
            usage_asked: true,
        })
    }

    fn set_model(
        &self,
        head: &mut Arc<request::Parts>,
        _: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error> {
        let uri = path::with_model(&head.uri, model)?;
        Arc::make_mut(head).uri = uri;
        Ok(())
    }

    fn splitter(&self, head: &response::Parts, _: bool) -> Option<Box<dyn Split>> {
        splitter(head)
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        if name == b"error" || name.ends_with(b"Exception") {
            return EventKind::Error;
        }
        if Members::of_document(data).any(|member| member.is_err()) {
            return EventKind::Unparsable;
        }
        match name {
            b"contentBlockDelta" => EventKind::Content,
            b"messageStop" => EventKind::Finish,
            b"metadata" => EventKind::Done,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        usage::of_document(json, tokens)
    }

    /// The framing has nothing that means nothing.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        None
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderBedrock)
    }
}

/// Whether the URL asks for a stream.
pub(super) fn is_streamed(head: &request::Parts) -> bool {
    let action = path::split(api_path(head.uri.path())).map(|(_, action)| action);
    matches!(
        action,
        Some("converse-stream" | "invoke-with-response-stream")
    )
}

/// What cuts a reply that says it is an event stream.
pub(super) fn splitter(head: &response::Parts) -> Option<Box<dyn Split>> {
    let kind = head.headers.get(CONTENT_TYPE);
    let streamed = is_event_stream(kind.map_or(b"", HeaderValue::as_bytes));
    streamed.then(|| Box::new(EventStreamSplitter::new(MAX_EVENT)) as _)
}
