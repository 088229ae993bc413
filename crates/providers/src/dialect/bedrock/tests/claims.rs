use std::sync::Arc;

use http::Method;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, Operation, api_path};
use portcullis_core::payload::Payload;
use serde_json::{Value, json};

use super::head;
use crate::dialect::all;
use crate::dialect::bedrock::{Converse, Invoke};

fn claimed(method: Method, path: &str) -> Option<(&'static str, Operation)> {
    let mut head = head(path);
    head.method = method;
    let api = api_path(head.uri.path());
    all()
        .iter()
        .find_map(|d| Some((d.name(), d.claim(&head, api)?)))
}

#[test]
fn the_path_tells_what_is_asked() {
    use Operation::*;
    for (path, dialect, operation) in [
        ("/model/a.b-v1%3A0/converse", "bedrock-converse", Chat),
        ("/model/a.b-v1:0/converse-stream", "bedrock-converse", Chat),
        (
            "/aws/model/arn%3Aaws%2Fx/converse",
            "bedrock-converse",
            Chat,
        ),
        ("/model/a/count-tokens", "bedrock-converse", CountTokens),
        ("/model/a/invoke", "bedrock-invoke", Chat),
        (
            "/model/a/invoke-with-response-stream",
            "bedrock-invoke",
            Chat,
        ),
        (
            "/model/amazon.titan-embed-text-v2%3A0/invoke",
            "bedrock-invoke",
            Embeddings,
        ),
        (
            "/model/a/invoke-with-bidirectional-stream",
            "bedrock-converse",
            Other,
        ),
        ("/guardrail/g/version/1/apply", "bedrock-converse", Other),
        ("/async-invoke", "bedrock-converse", Other),
        ("/v1/chat/completions", "openai-chat", Chat),
    ] {
        assert_eq!(
            claimed(Method::POST, path),
            Some((dialect, operation)),
            "{path}"
        );
    }
}

#[test]
fn model_and_streaming_are_read_off_the_url() {
    for (path, stream) in [("converse", false), ("converse-stream", true)] {
        let head = head(&format!("/model/us.a.b-v1%3A0/{path}"));
        let read = Converse
            .head(Operation::Chat, &head, b"{\"messages\":[]}")
            .unwrap();
        assert_eq!((&*read.model, read.stream), ("us.a.b-v1:0", stream));
        assert!(read.usage_asked);
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let head = head("/model/a/converse");
    let e = Converse.head(Operation::Chat, &head, b"{\"messages\":[],\"Messages\":[]}");
    assert_eq!(*e.unwrap_err().code(), codes::DUPLICATE_KEY);
    let e = Invoke.head(Operation::Chat, &head, b"[]").unwrap_err();
    assert_eq!(*e.code(), codes::BODY_NOT_JSON);
}

#[test]
fn another_model_is_asked_by_another_url_and_the_body_stays() {
    let mut parts = Arc::new(head("/model/a%3A0/converse-stream?x=1"));
    let kept = parts.clone();
    let mut body = Payload::from(bytes::Bytes::from_static(b"{ }"));
    Converse.set_model(&mut parts, &mut body, "us.b:1").unwrap();
    assert_eq!(parts.uri, "/model/us.b%3A1/converse-stream?x=1");
    assert_eq!(kept.uri, "/model/a%3A0/converse-stream?x=1");
    assert_eq!(body.raw(), "{ }");
}

#[test]
fn every_kind_of_event_is_told_apart() {
    use EventKind::*;
    for (name, kind) in [
        ("messageStart", Other),
        ("contentBlockStart", Other),
        ("contentBlockDelta", Content),
        ("contentBlockStop", Other),
        ("messageStop", Finish),
        ("metadata", Done),
        ("throttlingException", Error),
        ("error", Error),
        ("glow", Other),
    ] {
        assert_eq!(
            Converse.classify(name.as_bytes(), b"{\"p\":\"ab\"}"),
            kind,
            "{name}"
        );
    }
    assert_eq!(Converse.classify(b"metadata", b"{"), Unparsable);
}

#[test]
fn events_of_claude_are_told_apart_inside_of_their_chunks() {
    let chunk = |event: &str| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.encode(event);
        json!({"p": "ab", "bytes": bytes}).to_string()
    };
    for (event, kind) in [
        (r#"{"type":"content_block_delta"}"#, EventKind::Content),
        (
            r#"{"type":"message_delta","usage":{"output_tokens":4}}"#,
            EventKind::Finish,
        ),
        (r#"{"type":"message_stop"}"#, EventKind::Done),
        (r#"{"outputText":"Hi"}"#, EventKind::Content),
        ("no", EventKind::Unparsable),
    ] {
        assert_eq!(
            Invoke.classify(b"chunk", chunk(event).as_bytes()),
            kind,
            "{event}"
        );
    }
    assert_eq!(Invoke.classify(b"chunk", b"{}"), EventKind::Unparsable);
    assert_eq!(
        Invoke.classify(b"modelStreamErrorException", b"{}"),
        EventKind::Error
    );
    let mut tokens = Tokens::default();
    let event = chunk(r#"{"type":"message_delta","usage":{"output_tokens":4}}"#);
    assert!(Invoke.usage(event.as_bytes(), &mut tokens));
    assert!(Invoke.usage(b"{\"usage\":{\"input_tokens\":3}}", &mut tokens));
    assert_eq!(tokens, Tokens::new(3, 4));
}

#[test]
fn cached_tokens_are_added_to_the_input() {
    let mut tokens = Tokens::default();
    let usage = json!({"usage": {
        "inputTokens": 10, "outputTokens": 7, "totalTokens": 137,
        "cacheReadInputTokens": 100, "cacheWriteInputTokens": 20,
    }});
    assert!(Converse.usage(usage.to_string().as_bytes(), &mut tokens));
    let mut wanted = Tokens::new(130, 7);
    (wanted.cache_read, wanted.cache_write) = (100, 20);
    assert_eq!(tokens, wanted);
    for none in ["{}", "{\"usage\":null}", "{\"usage\":5}", "[]"] {
        assert!(!Converse.usage(none.as_bytes(), &mut tokens), "{none}");
    }
    assert_eq!(tokens, wanted);
}

#[test]
fn an_error_has_its_name_in_a_header_and_its_words_in_the_body() {
    let error = Error::new(&codes::MODEL_NOT_FOUND, "no \"x\"");
    let reply = Converse.render().whole(&error);
    assert_eq!(reply.status(), 404);
    assert_eq!(
        reply.headers()["x-amzn-errortype"],
        "ResourceNotFoundException"
    );
    let body: Value = serde_json::from_slice(&reply.into_body().bytes().unwrap()).unwrap();
    assert_eq!(body, json!({"message": "no \"x\""}));
}
