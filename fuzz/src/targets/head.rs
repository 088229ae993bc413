//! Decode: the head of an LLM request, in each dialect, and the edits made by it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use portcullis::core::body::Body;
use portcullis::core::llm::{Dialect, LlmCodec, LlmInput, LlmRequest};
use portcullis::core::payload::Payload;
use portcullis::providers::dialect;

const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
];

/// A document that is taken as a call has one model, which can be replaced; and it stays a document.
pub fn run(data: &[u8]) {
    let codec = LlmCodec::new(dialect::all());
    for path in PATHS {
        if let Some(request) = decode(&codec, path, data) {
            edit(&request, data);
        }
    }
}

fn decode(codec: &LlmCodec, path: &str, data: &[u8]) -> Option<LlmRequest> {
    let body = Body::from(Bytes::copy_from_slice(data));
    let request = http::Request::post(path).body(body).expect("a request");
    let mut decoded = pin!(codec.decode(request));
    match decoded
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(request) => request.ok(),
        Poll::Pending => panic!("a body at hand is not waited for"),
    }
}

fn edit(request: &LlmRequest, data: &[u8]) {
    assert!(
        !request.model.is_empty(),
        "a call without a model was taken"
    );
    let LlmInput::Json(payload) = &request.body else {
        panic!("a call was not read as a document")
    };
    assert_eq!(payload.raw(), data, "what nobody edits stays as it is");
    let dialect: &Arc<dyn Dialect> = &request.dialect;
    let head = |parts, payload: &Payload<_>| dialect.head(request.operation, parts, payload.raw());

    let (mut parts, mut renamed) = (request.head.clone(), payload.clone());
    dialect
        .set_model(&mut parts, &mut renamed, "a \"new\"\nname")
        .expect("a call has a model");
    let after = head(&parts, &renamed).expect("a renamed call is a call");
    assert_eq!(after.model, "a \"new\"\nname");
    assert_eq!(
        after.stream, request.stream,
        "renaming changes nothing else"
    );

    let mut asking = payload.clone();
    if let Ok(true) = dialect.ask_usage(request, &mut asking) {
        let after = head(&request.head, &asking).expect("a call that asks for usage is a call");
        assert!(after.usage_asked && after.stream);
        assert_eq!(after.model, *request.model);
    }
}
