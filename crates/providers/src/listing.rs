//! Asking a backend for its models, as a call of the gateway's own.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Uri, response};
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    Dialect, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation, TakeOnce,
};
use portcullis_core::payload::Payload;

use crate::codes::MODELS_UNLISTED;
use crate::dialect::{ModelEntry, is_anthropic, list_models};

/// The largest list read, in bytes. Lists of thousands of models are a tenth of it.
const MAX_LIST: u64 = 16 << 20;

/// A call for all models in `dialect`, made while `request` is served. What the caller asked of a page is
/// left out: pages of several lists are no page of the joined one.
pub(crate) fn ask(request: &LlmRequest, dialect: Arc<dyn Dialect>) -> LlmRequest {
    let mut head = (*request.head).clone();
    head.method = Method::GET;
    // One page is enough: the default is 20 models, the most there can be on one 1000.
    head.uri = Uri::from_static(match dialect.name() {
        name if is_anthropic(name) => "/v1/models?limit=1000",
        "gemini" => "/v1beta/models?pageSize=1000",
        _ => "/v1/models",
    });
    if dialect.name() != request.dialect.name() {
        head.headers = HeaderMap::new();
    }
    let mut asked = request.clone();
    asked.head = Arc::new(head);
    asked.dialect = dialect;
    asked.operation = Operation::ListModels;
    asked.model = Arc::default();
    asked.stream = false;
    asked.body = LlmInput::Opaque(TakeOnce::new(Body::empty()));
    asked
}

/// The models a reply lists, in whichever shape.
///
/// # Errors
///
/// `models_unlisted` when it does not list any: the upstream's own words are written in its dialect, which
/// need not be the caller's.
pub(crate) async fn read(reply: LlmResponse) -> Result<Vec<ModelEntry>, Error> {
    let (head, body) = reply.into_http().into_parts();
    if !head.status.is_success() {
        return Err(refused(&head));
    }
    let raw = body.collect(MAX_LIST).await.map_err(unreadable)?;
    let listed = list_models(&raw);
    listed.ok_or_else(|| {
        Error::new(
            &MODELS_UNLISTED,
            "the upstream's answer is no list of models",
        )
    })
}

/// The gateway's own answer about models.
pub(crate) fn reply(request: &LlmRequest, body: Bytes) -> LlmResponse {
    let mut head = http::Response::new(()).into_parts().0;
    let json = HeaderValue::from_static("application/json");
    head.headers.insert(CONTENT_TYPE, json);
    let body = LlmOutput::Whole(Payload::from(body));
    LlmResponse::new(head, request.dialect.clone(), body)
}

/// There is no such model.
pub(crate) fn not_found(model: &str) -> Error {
    let what = format!("no backend here serves the model `{model}`");
    Error::new(&codes::MODEL_NOT_FOUND, what).param("model")
}

fn refused(head: &response::Parts) -> Error {
    let what = format!(
        "the upstream did not list its models: it answered {}",
        head.status.as_u16()
    );
    let error = Error::new(&MODELS_UNLISTED, what);
    match head.headers.get(RETRY_AFTER) {
        Some(after) => error.header(RETRY_AFTER, after.clone()),
        None => error,
    }
}

fn unreadable(e: Error) -> Error {
    Error::new(&MODELS_UNLISTED, "the upstream's list cannot be read").because(e)
}
