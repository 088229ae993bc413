use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, request, response};
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, LlmCodec, Operation, api_path};
use portcullis_core::payload::Payload;

use super::super::Generate;
use super::json;

fn head(line: &str) -> request::Parts {
    let (method, uri) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(uri);
    request.body(()).unwrap().into_parts().0
}

fn claimed(line: &str) -> Option<Operation> {
    let head = head(line);
    Generate.claim(&head, api_path(head.uri.path()))
}

#[test]
fn calls_of_models_are_claimed_under_every_version_and_in_a_project() {
    let project = "/v1/projects/p/locations/l/publishers/google/models/g";
    for (line, operation) in [
        ("POST /v1/models/g:generateContent", Operation::Chat),
        (
            "POST /team/v1beta/models/g:streamGenerateContent?alt=sse",
            Operation::Chat,
        ),
        (
            "POST /v1beta/tunedModels/t:generateContent",
            Operation::Chat,
        ),
        ("POST /v1/models/g:countTokens", Operation::CountTokens),
        ("POST /v1/models/g:embedContent", Operation::Embeddings),
        (
            "POST /v1/models/g:batchEmbedContents",
            Operation::Embeddings,
        ),
        (&format!("POST {project}:generateContent"), Operation::Chat),
        (
            "POST /v1beta1/publishers/google/models/g:generateContent",
            Operation::Chat,
        ),
        ("GET /v1beta/models", Operation::ListModels),
        ("GET /v1beta/models/g", Operation::GetModel),
        ("GET /v1/models?key=k", Operation::ListModels),
        ("POST /v1beta/cachedContents", Operation::Other),
    ] {
        assert_eq!(claimed(line), Some(operation), "{line}");
    }
}

#[test]
fn what_others_share_is_claimed_with_a_google_key_only() {
    for line in [
        "GET /v1/models",
        "POST /v1/chat/completions",
        "POST /v1beta/openai/chat/completions",
        "GET /v1/models/g:generateContent",
        "POST /v1/models/:generateContent",
        "POST /v1/models/g:unknown",
    ] {
        assert_eq!(claimed(line), None, "{line}");
    }
    let mut keyed = head("GET /v1/models");
    keyed
        .headers
        .insert("x-goog-api-key", HeaderValue::from_static("k"));
    assert_eq!(
        Generate.claim(&keyed, "/models"),
        Some(Operation::ListModels)
    );
    let mut compatible = head("POST /v1beta/openai/chat/completions");
    compatible.headers = keyed.headers;
    assert_eq!(
        Generate.claim(&compatible, "/openai/chat/completions"),
        None
    );
}

#[test]
fn the_url_says_model_and_streaming() {
    let read = |line: &str, body: &[u8]| Generate.head(Operation::Chat, &head(line), body);
    let found = read("POST /v1/models/a%2Fb:streamGenerateContent", b"{}").unwrap();
    assert_eq!((&*found.model, found.stream), ("a/b", true));
    let found = read("POST /v1/models/a:free:generateContent", b"{}").unwrap();
    assert_eq!((&*found.model, found.stream), ("a:free", false));
    let tuned = read("POST /v1/tunedModels/t:generateContent", b"{}").unwrap();
    assert_eq!(tuned.model, "tunedModels/t");
    let e = read("POST /v1/models/a:generateContent", b"{").unwrap_err();
    assert_eq!(*e.code(), codes::BODY_NOT_JSON);
    let twice = br#"{"contents":[],"Contents":[]}"#;
    let e = read("POST /v1/models/a:generateContent", twice).unwrap_err();
    assert_eq!(*e.code(), codes::DUPLICATE_KEY);
}

#[test]
fn another_model_is_written_into_the_url_and_wherever_the_body_repeats_it() {
    for (line, body, uri, changed) in [
        (
            "POST /t/v1/models/a:generateContent?alt=sse",
            r#"{"contents":[]}"#,
            "/t/v1/models/b%2Fc:generateContent?alt=sse",
            r#"{"contents":[]}"#,
        ),
        (
            "POST /v1/models/a:batchEmbedContents",
            r#"{"requests":[{"model":"models/a"},{"x":1,"model":"models/a"}]}"#,
            "/v1/models/b%2Fc:batchEmbedContents",
            r#"{"requests":[{"model":"models/b/c"},{"x":1,"model":"models/b/c"}]}"#,
        ),
        (
            "POST /v1/tunedModels/a:countTokens",
            r#"{"generateContentRequest":{"model":"tunedModels/a"}}"#,
            "/v1/models/b%2Fc:countTokens",
            r#"{"generateContentRequest":{"model":"models/b/c"}}"#,
        ),
    ] {
        let mut head = Arc::new(head(line));
        let mut payload = Payload::from(Bytes::from(body));
        Generate.set_model(&mut head, &mut payload, "b/c").unwrap();
        assert_eq!(head.uri, uri);
        assert_eq!(payload.raw(), changed);
    }
}

#[test]
fn chunks_are_told_apart() {
    let content = r#"{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"}}]}"#;
    let last = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    for (data, kind) in [
        (content, EventKind::Content),
        (last, EventKind::Finish),
        (
            r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
            EventKind::Finish,
        ),
        (r#"{"error":{"code":503}}"#, EventKind::Error),
        (
            r#"{"usageMetadata":{"promptTokenCount":1}}"#,
            EventKind::Other,
        ),
        (
            r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
            EventKind::Other,
        ),
        ("]", EventKind::Done),
        ("", EventKind::KeepAlive),
        ("nonsense", EventKind::Unparsable),
        ("[]", EventKind::Unparsable),
    ] {
        assert_eq!(Generate.classify(b"", data.as_bytes()), kind, "{data}");
    }
}

#[test]
fn thoughts_are_counted_beside_the_candidates_and_cached_tokens_inside_the_prompt() {
    let reply = br#"{"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,
        "toolUsePromptTokenCount":3,"candidatesTokenCount":5,"thoughtsTokenCount":7,
        "totalTokenCount":25}}"#;
    let mut tokens = Tokens::default();
    assert!(Generate.usage(reply, &mut tokens));
    let mut expected = Tokens::new(13, 12);
    expected.cache_read = 4;
    expected.reasoning = 7;
    assert_eq!(tokens, expected);
    assert!(!Generate.usage(br#"{"usageMetadata":{}}"#, &mut tokens));
    assert!(!Generate.usage(br#"{"totalTokens":3}"#, &mut tokens));
}

fn replied(status: u16, kind: &'static str) -> response::Parts {
    let reply = http::Response::builder().status(status);
    let reply = reply.header("content-type", kind);
    reply.body(()).unwrap().into_parts().0
}

#[test]
fn a_stream_is_one_in_either_framing_and_an_error_is_none() {
    let json = "application/json; charset=UTF-8";
    for (status, kind, asked, split) in [
        (200, "text/event-stream", true, true),
        (200, json, true, true),
        (200, json, false, false),
        (429, json, true, false),
        (200, "text/html", true, false),
    ] {
        let found = Generate.splitter(&replied(status, kind), asked);
        assert_eq!(found.is_some(), split, "{status} {kind} {asked}");
    }
}

#[test]
fn errors_are_written_as_google_does_in_replies_and_in_either_framing_of_a_stream() {
    let error = Error::new(&codes::INVALID_FIELD, "no \"x\"").param("contents");
    let (body, _) = Generate.render().body(&error);
    let written = json(&body);
    assert_eq!(written["error"]["code"], 400);
    assert_eq!(written["error"]["status"], "INVALID_ARGUMENT");
    assert_eq!(written["error"]["message"], "no \"x\"");
    assert_eq!(written["error"]["details"][0]["reason"], "invalid_field");
    assert_eq!(
        written["error"]["details"][1]["fieldViolations"][0]["field"],
        "contents"
    );
    let codec = LlmCodec::new(vec![Arc::new(Generate) as Arc<dyn Dialect>]);
    let pick = |line| portcullis_core::respond::PickRender::pick(&codec, &head(line));
    let sse = pick("POST /v1/models/g:streamGenerateContent?alt=sse");
    let event = sse.in_stream(&error).unwrap();
    assert!(event.starts_with(b"data: {\"error\"") && event.ends_with(b"\n\n"));
    assert!(!sse.is_stream(b"application/json"));
    let array = pick("POST /v1/models/g:streamGenerateContent");
    assert!(array.is_stream(b"application/json; charset=UTF-8"));
    let broken = [b"[{}", &array.in_stream(&error).unwrap()[..]].concat();
    assert_eq!(json(&broken)[1], written);
    assert_eq!(json(&array.at_start(&error).unwrap())[0], written);
    let plain = pick("POST /v1/models/g:generateContent");
    assert!(!plain.is_stream(b"application/json"));
}
