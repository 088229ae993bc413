use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, LlmCodec, LlmRequest, Operation, api_path};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::protocol::{ArcService, Codec};
use serde_json::{Value, json};

use super::*;
use crate::dialect::all;
use crate::fake;

/// A decoded chat call with this body.
pub(crate) fn chat_request(body: &str) -> LlmRequest {
    let (send, receive) = std::sync::mpsc::channel();
    let take = ArcService::from_fn(move |request: LlmRequest| {
        send.send(request).unwrap();
        std::future::ready(Err(Error::new(&fake::FULL, "enough")))
    });
    let codec = LlmCodec::new([Arc::new(Chat) as Arc<dyn Dialect>]);
    let call = fake::request("POST /v1/chat/completions", &[], body.to_owned());
    let mut served = Box::pin(codec.serve(call, take));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(served.as_mut().poll(&mut cx).is_ready());
    receive.try_recv().unwrap()
}

/// Whose a call is, and what it asks for.
pub(crate) fn claimed(line: &str, headers: &[(&str, &str)]) -> (&'static str, Operation) {
    let (head, _) = fake::request(line, headers, "").into_parts();
    let path = api_path(head.uri.path());
    let mut dialects = all().into_iter();
    dialects
        .find_map(|dialect| Some((dialect.name(), dialect.claim(&head, path)?)))
        .unwrap()
}

#[test]
fn options_in_another_case_are_not_added_to() {
    for key in ["Stream_Options", "stream_optionS", "\\u0053tream_options"] {
        let body = format!(r#"{{"model":"m","stream":true,"{key}":{{}}}}"#);
        let mut payload = Payload::from(Bytes::from(body.clone()));
        let asked = Chat.ask_usage(&chat_request(&body), &mut payload);
        assert_eq!(asked.unwrap_err().code(), &codes::DUPLICATE_KEY, "{key}");
        assert_eq!(payload.raw(), &body);
    }
}

#[test]
fn every_call_has_a_dialect_and_an_operation() {
    use Operation::*;
    let (chat, responses) = ("openai-chat", "openai-responses");
    for (line, dialect, operation) in [
        ("POST /v1/chat/completions", chat, Chat),
        ("POST /team-a/v1/chat/completions", chat, Chat),
        ("POST /openai/deployments/d/chat/completions", chat, Chat),
        ("POST /chat/completions", chat, Chat),
        ("GET /v1/chat/completions", chat, Other),
        ("GET /v1/chat/completions/id/messages", chat, Other),
        ("POST /v1/embeddings", chat, Embeddings),
        ("GET /v1/models", chat, ListModels),
        ("GET /v1/models?limit=2", chat, ListModels),
        ("HEAD /v1/models", chat, Other),
        ("GET /v1/models/gpt-5", chat, GetModel),
        ("GET /v1/models/openai/gpt-5", chat, GetModel),
        ("DELETE /v1/models/ft:gpt-5", chat, Other),
        ("POST /v1/audio/speech", chat, Other),
        ("POST /v1/completions", chat, Other),
        ("GET /v1/files/abc/content", chat, Other),
        ("POST /v1/threads/t/messages", chat, Other),
        ("GET /anything", chat, Other),
        ("POST /v1/responses", responses, Chat),
        ("POST /v1/responses?beta=true", responses, Chat),
        ("GET /v1/responses/resp_1?stream=true", responses, Other),
        ("POST /v1/responses/resp_1/cancel", responses, Other),
        ("POST /v1/responses/input_tokens", responses, Other),
        ("GET /v1/responses", chat, Other),
    ] {
        assert_eq!(claimed(line, &[]), (dialect, operation), "{line}");
    }
}

#[test]
fn usage_is_asked_for_once_whatever_options_there_are() {
    for (body, wanted) in [
        (
            r#"{"model":"m","stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#,
        ),
        (
            r#"{ "model":"m","stream":true,"stream_options": null }"#,
            r#"{ "model":"m","stream":true,"stream_options": {"include_usage":true} }"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{ }}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true }}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage": false,"x":1.0}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage": true,"x":1.0}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usag\u0065": null}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usag\u0065": true}}"#,
        ),
        (
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":true}}"#,
        ),
    ] {
        let request = chat_request(body);
        let mut payload = Payload::<Doc>::from(Bytes::from(body));
        assert!(Chat.ask_usage(&request, &mut payload).unwrap(), "{body}");
        assert_eq!(payload.raw(), wanted.as_bytes());
        assert!(chat_request(wanted).usage_asked);
    }
}

#[test]
fn usage_is_not_asked_for_where_it_is_or_cannot_be() {
    for body in [
        r#"{"model":"m"}"#,
        r#"{"model":"m","stream":false,"stream_options":5}"#,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
    ] {
        let mut payload = Payload::<Doc>::from(Bytes::from(body));
        let asked = Chat.ask_usage(&chat_request(body), &mut payload).unwrap();
        assert!(!asked && !payload.edited(), "{body}");
    }
}

#[test]
fn stream_options_that_are_no_object_are_refused_by_name() {
    for options in ["true", "[]", r#""usage""#, "1"] {
        let body = format!(r#"{{"model":"m","stream":true,"stream_options":{options}}}"#);
        let mut payload = Payload::<Doc>::from(Bytes::from(body.clone()));
        let e = Chat
            .ask_usage(&chat_request(&body), &mut payload)
            .unwrap_err();
        assert_eq!(e.code(), &codes::INVALID_FIELD);
        assert_eq!(e.to_string(), "`stream_options` must be an object");
        assert_eq!(e.at_param(), Some("stream_options"));
        assert_eq!(payload.raw(), &body);
    }
}

#[test]
fn every_kind_of_chat_chunk_is_told_apart() {
    use EventKind::*;
    let choice = |inner: &str| format!(r#"{{"id":"c","choices":[{{"index":0,{inner}}}]}}"#);
    let delta = |inner: &str| choice(&format!(r#""delta":{{{inner}}},"finish_reason":null"#));
    let tool = r#""tool_calls":[{"index":0,"function":{"arguments":""}}]"#;
    for (data, kind) in [
        (delta(r#""role":"assistant","content":"","refusal":null"#), Other),
        (delta(r#""role":"assistant","content":null,"tool_calls":[]"#), Other),
        (delta(r#""content":"hi""#), Content),
        (delta(r#""content":" ""#), Content),
        (delta(r#""cont\u0065nt":"hi""#), Content),
        (delta(r#""role":"assistant","content":"hi""#), Content),
        (delta(r#""reasoning_content":"hm""#), Content),
        (delta(r#""reasoning":"hm","content":"""#), Content),
        (delta(r#""refusal":"no""#), Content),
        (delta(tool), Content),
        (delta(r#""function_call":{"name":"f"}"#), Content),
        (delta(r#""audio":{"data":"AA"}"#), Content),
        (delta(r#""reasoning_details":[ ],"extra":{ },"first":true,"n":1"#), Other),
        (choice(r#""delta":{},"finish_reason":"stop""#), Finish),
        (choice(r#""delta":{"content":"hi"},"finish_reason":"length""#), Finish),
        (choice(r#""delta":{},"finish_reason":"""#), Other),
        (choice(r#""delta":null"#), Other),
        (
            r#"{"choices":[{"index":0,"delta":{}},{"index":1,"delta":{"content":"b"}}],"usage":null}"#.into(),
            Content,
        ),
        (
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#.into(),
            Finish,
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}"#.into(),
            Content,
        ),
        (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#.into(), Usage),
        (r#"{"usage":{"prompt_tokens":1},"choices":[]}"#.into(), Usage),
        (r#"{"choices":[],"usage":null}"#.into(), Other),
        (
            r#"{"choices":[],"id":"","prompt_filter_results":[{"prompt_index":0}]}"#.into(),
            Other,
        ),
        (r#"{"error":{"message":"overloaded"}}"#.into(), Error),
        (r#"{"error":"overloaded"}"#.into(), Error),
        (r#"{"error":null,"choices":[{"delta":{"content":"a"}}]}"#.into(), Content),
        ("[DONE]".into(), Done),
        ("  [DONE] \t".into(), Done),
        (r#""[DONE]""#.into(), Unparsable),
        ("".into(), Unparsable),
        ("hello".into(), Unparsable),
        ("[1]".into(), Unparsable),
        (r#"{"choices":[{"delta":{"content":"hi"}}]"#.into(), Unparsable),
        (r#"{"choices":[]} x"#.into(), Unparsable),
        ("{}".into(), Other),
    ] {
        assert_eq!(Chat.classify(b"", data.as_bytes()), kind, "{data}");
    }
    assert_eq!(Chat.classify(b"error", br#"{"message":"no"}"#), Error);
}

#[test]
fn every_kind_of_response_event_is_told_apart() {
    use EventKind::*;
    for (name, kind) in [
        ("response.created", Other),
        ("response.in_progress", Other),
        ("response.output_item.added", Other),
        ("response.output_text.delta", Content),
        ("response.refusal.delta", Content),
        ("response.reasoning_summary_text.delta", Content),
        ("response.function_call_arguments.delta", Content),
        ("response.hologram.delta", Content),
        ("response.output_text.done", Other),
        ("response.completed", Done),
        ("response.incomplete", Done),
        ("response.failed", Error),
        ("error", Error),
        ("response.new_thing", Other),
    ] {
        let data = format!(r#"{{"sequence_number":1,"type":"{name}"}}"#);
        let classify =
            |name: &str, data: &str| Responses.classify(name.as_bytes(), data.as_bytes());
        assert_eq!(classify(name, &data), kind, "{name}");
        assert_eq!(classify("", &data), kind, "{name} without an event name");
        assert_eq!(classify(name, "{}"), kind, "{name} without a type");
        assert_eq!(
            classify(name, &data[..data.len() - 1]),
            Unparsable,
            "{name} cut"
        );
    }
    assert_eq!(Responses.classify(b"", b"[DONE]"), Other);
    assert_eq!(Responses.classify(b"", b"{}"), Other);
}

fn tokens(dialect: &dyn Dialect, body: &Value) -> Option<Tokens> {
    let mut tokens = Tokens::default();
    let found = dialect.usage(body.to_string().as_bytes(), &mut tokens);
    found.then_some(tokens)
}

fn counted(input: u64, output: u64, cached: [u64; 2], reasoning: u64) -> Option<Tokens> {
    let mut tokens = Tokens::new(input, output);
    [tokens.cache_read, tokens.cache_write] = cached;
    tokens.reasoning = reasoning;
    Some(tokens)
}

#[test]
fn chat_usage_has_cached_and_reasoning_tokens_inside() {
    let usage = json!({
        "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30},
    });
    let whole = json!({"choices": [{"message": {"usage": {"prompt_tokens": 9}}}], "usage": usage});
    assert_eq!(tokens(&Chat, &whole), counted(100, 40, [64, 8], 30));
    let embedding = json!({"data": [{"embedding": [0.1, 2]}], "usage": {"prompt_tokens": 5, "total_tokens": 5}});
    assert_eq!(tokens(&Chat, &embedding), counted(5, 0, [0, 0], 0));
}

#[test]
fn responses_usage_is_read_from_whole_replies_and_terminal_events() {
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
        "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 30},
    });
    for body in [
        json!({"object": "response", "usage": usage}),
        json!({"type": "response.completed", "response": {"usage": usage}}),
        json!({"type": "response.failed", "response": {"usage": usage}}),
    ] {
        assert_eq!(tokens(&Responses, &body), counted(100, 40, [64, 8], 30));
    }
    let running = json!({"type": "response.created", "response": {"usage": null}});
    assert_eq!(tokens(&Responses, &running), None);
}

#[test]
fn what_counts_nothing_is_no_usage() {
    for body in [
        json!({}),
        json!({"usage": null}),
        json!({"usage": {}}),
        json!({"usage": []}),
        json!({"usage": {"prompt_tokens": "7", "input_tokens": -1}}),
        json!({"error": {"message": "no"}}),
        json!({"object": "response.input_tokens", "input_tokens": 11}),
    ] {
        assert_eq!(tokens(&Chat, &body), None, "{body}");
        assert_eq!(tokens(&Responses, &body), None, "{body}");
    }
    assert!(!Chat.usage(b"<html>", &mut Tokens::default()));
}

#[test]
fn a_later_count_replaces_an_earlier_one() {
    let mut tokens = Tokens::default();
    for completion in [1, 2, 3] {
        let chunk = json!({"usage": {"prompt_tokens": 10, "completion_tokens": completion}});
        assert!(Chat.usage(chunk.to_string().as_bytes(), &mut tokens));
    }
    assert_eq!(tokens, Tokens::new(10, 3));
}

#[test]
fn an_error_is_written_as_openai_writes_it() {
    let error = Error::new(&codes::MODEL_NOT_FOUND, "no \"x\"").param("model");
    let render = Chat.render();
    let (body, kind) = render.body(&error);
    let wanted = r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
    assert_eq!(body, wanted);
    assert_eq!(kind, "application/json");
    assert_eq!(Responses.render().body(&error).0, wanted);
    let in_stream = render.in_stream(&error).unwrap();
    assert_eq!(in_stream, format!("data: {wanted}\n\n"));
    assert_eq!(
        Chat.classify(b"", wanted.as_bytes()),
        EventKind::Error,
        "it is read as what it is"
    );
}

#[test]
fn an_error_in_a_stream_of_responses_is_an_event_of_its_own() {
    let error = Error::new(&codes::UPSTREAM_CUT, "it broke off");
    let last = Responses.render().in_stream(&error).unwrap();
    let data = r#"{"type":"error","code":"upstream_cut","message":"it broke off","param":null,"sequence_number":0}"#;
    assert_eq!(last, format!("event: error\ndata: {data}\n\n"));
    assert_eq!(
        Responses.classify(b"error", data.as_bytes()),
        EventKind::Error
    );
}

#[test]
fn every_family_of_errors_has_openais_word_for_it() {
    for (code, word) in [
        (&codes::BODY_NOT_JSON, "invalid_request_error"),
        (&codes::BODY_TOO_LARGE, "invalid_request_error"),
        (&codes::HOST_REFUSED, "permission_error"),
        (&codes::UPSTREAM_TIMEOUT, "timeout_error"),
        (&codes::UPSTREAM_BROKEN, "server_error"),
        (&fake::FULL, "server_error"),
        (&codes::PANICKED, "server_error"),
    ] {
        let (body, _) = Chat.render().body(&Error::new(code, "x"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["type"], word, "{}", code.name);
        assert_eq!(body["error"]["param"], Value::Null);
    }
}
