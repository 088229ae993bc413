//! Backend: which answer a call to `echo` gets, by its dialect and operation.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{EventStream, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation};
use portcullis_core::payload::Payload;
use tower_service::Service;

use super::paced::{Paced, Pieces};
use super::{chat, embeddings, messages, models, responses};

const OPENAI_CHAT: &str = "openai-chat";
const OPENAI_RESPONSES: &str = "openai-responses";
const ANTHROPIC_MESSAGES: &str = "anthropic-messages";

/// The model `echo` as a service. [The module](super) says what it answers.
///
/// It speaks the dialects `openai-chat` (chat, embeddings, models), `openai-responses` (chat) and
/// `anthropic-messages` (chat, token counts, models). It always answers at once and keeps nothing; clones
/// are alike.
///
/// # Errors
///
/// A call fails with `dialect_unsupported` in another dialect or for another operation, `body_not_json`,
/// or `invalid_field` with the field's path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo {
    delay: Duration,
}

/// What an answer is marked with.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    /// The id of the call.
    pub(super) id: Arc<str>,
    /// The model as the caller calls it.
    pub(super) model: Arc<str>,
    /// Seconds since 1970.
    pub(super) created: u64,
}

/// An answer as written in the caller's dialect.
pub(super) enum Reply {
    Whole(Bytes),
    Events(Pieces),
}

impl Echo {
    /// A model that waits for `delay` between two pieces of a streamed reply. With any delay, streams need
    /// a Tokio runtime with a timer.
    pub fn new(delay: Duration) -> Self {
        Self { delay }
    }

    fn respond(self, request: &LlmRequest) -> Result<LlmResponse, Error> {
        let dialect = request.dialect.clone();
        let (kind, body) = match reply(request)? {
            Reply::Whole(json) => ("application/json", LlmOutput::Whole(Payload::from(json))),
            Reply::Events(pieces) => {
                let body = Body::new(Paced::new(pieces, self.delay));
                let events = EventStream::read(body, dialect.clone());
                ("text/event-stream", LlmOutput::Events(events))
            }
        };
        let (mut head, ()) = Response::new(()).into_parts();
        head.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(LlmResponse::new(head, dialect, body))
    }
}

impl Service<LlmRequest> for Echo {
    type Response = LlmResponse;
    type Error = Error;
    type Future = Ready<Result<LlmResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        ready(self.respond(&request))
    }
}

impl Stamp {
    fn of(request: &LlmRequest) -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            id: request.context.id().as_str().into(),
            model: request.model.clone(),
            created: since.as_secs(),
        }
    }

    /// An id for a tool call: short and plain enough for every provider it may later be sent to.
    pub(super) fn call_id(&self, prefix: &str) -> String {
        let plain: Vec<char> = self
            .id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let tail = &plain[plain.len().saturating_sub(32)..];
        format!("{prefix}_{}", String::from_iter(tail))
    }
}

fn reply(request: &LlmRequest) -> Result<Reply, Error> {
    let stamp = Stamp::of(request);
    let stream = request.stream;
    match (request.dialect.name(), request.operation) {
        (OPENAI_CHAT, Operation::Chat) => chat::answer(document(request)?, stream, stamp),
        (OPENAI_CHAT, Operation::Embeddings) => embeddings::answer(document(request)?, &stamp),
        (OPENAI_CHAT, Operation::ListModels) => Ok(models::openai_list()),
        (OPENAI_CHAT, Operation::GetModel) => Ok(models::openai(&stamp)),
        (OPENAI_RESPONSES, Operation::Chat) => responses::answer(document(request)?, stream, stamp),
        (ANTHROPIC_MESSAGES, Operation::Chat) => {
            messages::answer(document(request)?, stream, &stamp)
        }
        (ANTHROPIC_MESSAGES, Operation::CountTokens) => messages::count(document(request)?),
        (ANTHROPIC_MESSAGES, Operation::ListModels) => Ok(models::anthropic_list()),
        (ANTHROPIC_MESSAGES, Operation::GetModel) => Ok(models::anthropic(&stamp)),
        (dialect, operation) => Err(unsupported(dialect, operation)),
    }
}

fn document(request: &LlmRequest) -> Result<&[u8], Error> {
    match &request.body {
        LlmInput::Json(payload) => Ok(payload.raw()),
        LlmInput::Opaque(_) => {
            let what = "the request body was not read as JSON";
            Err(Error::new(&codes::BODY_NOT_JSON, what))
        }
    }
}

fn unsupported(dialect: &str, operation: Operation) -> Error {
    let what = match (dialect, operation) {
        (OPENAI_CHAT | OPENAI_RESPONSES | ANTHROPIC_MESSAGES, Operation::Other) => {
            format!("the built-in model `echo` does not answer this kind of {dialect} call")
        }
        (OPENAI_CHAT | OPENAI_RESPONSES | ANTHROPIC_MESSAGES, operation) => {
            let operation = operation.name();
            format!("the built-in model `echo` has no operation `{operation}` in {dialect}")
        }
        _ => format!("the built-in model `echo` does not speak {dialect}"),
    };
    Error::new(&codes::DIALECT_UNSUPPORTED, what)
}
