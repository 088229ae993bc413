//! Invoke: bodies in the form of the model's own maker, around which only the URL is Bedrock's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, request, response};
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Members;
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::respond::Render;
use portcullis_core::wire::Split;

use super::converse::{is_streamed, splitter};
use super::{Converse, RenderBedrock, path};
use crate::dialect::anthropic::Messages;
use crate::dialect::{event, head};

/// Bedrock invoke. It claims `POST /model/{modelId}/invoke` and `/invoke-with-response-stream`. Bodies go through as they
/// are. Those of Claude are Anthropic's, with `anthropic_version` in the body, and their usage and stream events are read;
/// of other models a reply is recorded without usage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Invoke;

impl Dialect for Invoke {
    fn name(&self) -> &'static str {
        "bedrock-invoke"
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        let (model, action) = path::split(path)?;
        let ours = matches!(action, "invoke" | "invoke-with-response-stream");
        (ours && head.method == Method::POST).then(|| {
            if model.contains("embed") {
                Operation::Embeddings
            } else {
                Operation::Chat
            }
        })
    }

    fn head(&self, _: Operation, head: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        head::unique(body, |_| Ok(()))?;
        Ok(Head {
            model: path::model(&head.uri)?.into_owned(),
            stream: is_streamed(head),
            usage_asked: true,
        })
    }

    fn set_model(
        &self,
        head: &mut Arc<request::Parts>,
        body: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error> {
        Converse.set_model(head, body, model)
    }

    fn splitter(&self, head: &response::Parts, _: bool) -> Option<Box<dyn Split>> {
        splitter(head)
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        if name == b"error" || name.ends_with(b"Exception") {
            return EventKind::Error;
        }
        let Some(inner) = inner(data) else {
            return EventKind::Unparsable;
        };
        match event::type_of(&inner) {
            Ok(b"") => EventKind::Content,
            Ok(_) => Messages.classify(b"", &inner),
            Err(_) => EventKind::Unparsable,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        match inner(json) {
            Some(event) => Messages.usage(&event, tokens),
            None => Messages.usage(json, tokens),
        }
    }

    /// The framing has nothing that means nothing.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        None
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(RenderBedrock)
    }
}

/// What a `chunk` event carries: `{"bytes"}`, in base64.
fn inner(data: &[u8]) -> Option<Vec<u8>> {
    let mut members = Members::of_document(data).filter_map(Result::ok);
    let bytes = members.find(|member| member.key == "bytes")?;
    STANDARD.decode(bytes.value.str_bytes()?).ok()
}
