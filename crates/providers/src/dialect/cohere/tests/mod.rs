//! Cohere chat: calls, requests, replies, streams and errors.

mod laws;
mod requests;
mod streams;

use http::{HeaderMap, StatusCode, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, Operation, api_path};
use serde_json::{Value, json};

use super::{Chat, ChatWire};
use crate::translate::{
    Choice, Losses, Part, Reply, Signature, Stop, ToolCall, TroubleKind, Wire, testing::asked,
};

fn parts(line: &str) -> request::Parts {
    let (method, uri) = line.split_once(' ').unwrap();
    let request = http::Request::builder().method(method).uri(uri);
    request.body(()).unwrap().into_parts().0
}

#[test]
fn chat_of_version_2_is_claimed_and_that_of_version_1_is_not() {
    for (line, operation) in [
        ("POST /v2/chat", Some(Operation::Chat)),
        ("POST /team-a/v2/chat", Some(Operation::Chat)),
        ("POST /chat", Some(Operation::Chat)),
        ("POST /v2/rerank", Some(Operation::Other)),
        ("GET /v2/chat", Some(Operation::Other)),
        ("POST /v1/chat", None),
        ("POST /v1/chat/completions", None),
        ("GET /v1/models", None),
    ] {
        let head = parts(line);
        let claimed = Chat.claim(&head, api_path(head.uri.path()));
        assert_eq!(claimed, operation, "{line}");
    }
}

#[test]
fn every_event_has_its_kind() {
    use EventKind::*;
    for (data, kind) in [
        (r#"{"type":"message-start"}"#, Other),
        (r#"{"type":"content-start"}"#, Other),
        (r#"{"type":"content-delta"}"#, Content),
        (r#"{"type":"tool-plan-delta"}"#, Content),
        (r#"{"type":"tool-call-delta"}"#, Content),
        (
            r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
            Finish,
        ),
        (
            r#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}"#,
            Error,
        ),
        (r#"{"type":"message-end","delta":{"error":"no"}}"#, Error),
        ("[DONE]", Done),
        (r#"{"type":"message-end""#, Unparsable),
    ] {
        assert_eq!(Chat.classify(b"", data.as_bytes()), kind, "{data}");
    }
}

#[test]
fn usage_is_what_is_billed_and_no_more_is_cached_than_there_is() {
    for (usage, input, output, cached) in [
        (
            json!({"billed_units": {"input_tokens": 50, "output_tokens": 26}, "tokens": {"input_tokens": 793, "output_tokens": 61}, "cached_tokens": 176}),
            50,
            26,
            50,
        ),
        (
            json!({"tokens": {"input_tokens": 7.0, "output_tokens": 2}, "cached_tokens": 3}),
            7,
            2,
            3,
        ),
    ] {
        for body in [
            json!({"usage": usage}),
            json!({"type": "message-end", "delta": {"usage": usage}}),
        ] {
            let mut tokens = Tokens::default();
            assert!(Chat.usage(body.to_string().as_bytes(), &mut tokens));
            assert_eq!(
                (tokens.input, tokens.output, tokens.cache_read),
                (input, output, cached)
            );
        }
    }
    let mut tokens = Tokens::new(1, 2);
    assert!(!Chat.usage(br#"{"usage":{"billed_units":null}}"#, &mut tokens));
    assert_eq!(tokens, Tokens::new(1, 2));
}

#[test]
fn an_error_is_written_as_cohere_writes_it() {
    let error = Error::new(&codes::MODEL_NOT_FOUND, "no such model");
    let (body, _) = Chat.render().body(&error);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        json!({"message": "no such model", "code": "model_not_found"})
    );
    let last = Chat.render().in_stream(&error).unwrap();
    assert!(last.starts_with(b"event: message-end\ndata: {"));
}

fn through(body: &Value) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = body.to_string();
    let reply = ChatWire.read_reply(body.as_bytes(), &mut losses).unwrap();
    let written = ChatWire
        .write_reply(&reply, &asked(false), &mut losses)
        .unwrap();
    let losses = losses.iter().map(|loss| loss.field.to_string()).collect();
    (serde_json::from_slice(&written).unwrap(), losses)
}

#[test]
fn a_reply_comes_out_as_it_went_in() {
    let usage = json!({
        "billed_units": {"input_tokens": 5, "output_tokens": 2}, "tokens": {"input_tokens": 5, "output_tokens": 2},
        "cached_tokens": 1,
    });
    for (message, reason) in [
        (
            json!({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "so"}]}),
            "COMPLETE",
        ),
        (
            json!({"role": "assistant", "content": [{"type": "text", "text": "so"}],
            "citations": [{"start": 0, "end": 2, "text": "so", "sources": [{"type": "tool", "id": "t"}]}]}),
            "STOP_SEQUENCE",
        ),
        (
            json!({"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1.0}"}}]}),
            "TOOL_CALL",
        ),
        (json!({"role": "assistant"}), "MAX_TOKENS"),
    ] {
        let reply = json!({"id": "i", "message": message, "finish_reason": reason, "usage": usage});
        assert_eq!(through(&reply), (reply, vec![]));
    }
}

#[test]
fn a_plan_is_words_before_the_calls() {
    let body = json!({"id": "i", "finish_reason": "TOOL_CALL", "message": {"role": "assistant", "tool_plan": "I will add",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}]}});
    let body = body.to_string();
    let reply = ChatWire
        .read_reply(body.as_bytes(), &mut Losses::default())
        .unwrap();
    let [Part::Text { text, .. }, Part::ToolCall(call)] = reply.choices[0].parts.as_slice() else {
        panic!("{reply:?}");
    };
    assert!(text.is("I will add") && call.name.is("add"));
}

#[test]
fn what_another_provider_sealed_is_shown_and_read_back() {
    let signature = || {
        Some(Signature {
            family: "google",
            data: "c2ln".into(),
        })
    };
    let call = ToolCall {
        id: Some("c".into()),
        name: "add".into(),
        arguments: crate::translate::Arguments::String("{}".into()),
        signature: signature(),
        cache: None,
    };
    let reply = Reply {
        choices: vec![Choice {
            parts: vec![Part::ToolCall(call)],
            stop: Stop::ToolUse,
            ..Choice::default()
        }],
        ..Reply::default()
    };
    let written = ChatWire
        .write_reply(&reply, &asked(false), &mut Losses::default())
        .unwrap();
    let read = ChatWire
        .read_reply(&written, &mut Losses::default())
        .unwrap();
    let [Part::ToolCall(call)] = read.choices[0].parts.as_slice() else {
        panic!("{read:?}");
    };
    assert_eq!(call.signature, signature());
}

#[test]
fn what_is_no_reply_is_the_upstreams_fault() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"message":5}"#,
        r#"{"message":{"content":[{"type":"x"}]}}"#,
    ] {
        let read = ChatWire.read_reply(body.as_bytes(), &mut Losses::default());
        assert_eq!(read.unwrap_err().code(), &codes::UPSTREAM_BROKEN, "{body}");
    }
}

#[test]
fn errors_are_told_by_their_status_and_keep_it() {
    let headers = HeaderMap::new();
    for (status, body, kind, message) in [
        (
            400,
            r#"{"id":"i","message":"bad"}"#,
            TroubleKind::InvalidRequest,
            "bad",
        ),
        (
            400,
            r#"{"message":"too many tokens: total is 9"}"#,
            TroubleKind::ContextLength,
            "too many tokens: total is 9",
        ),
        (
            401,
            r#"{"message":"no api key supplied"}"#,
            TroubleKind::Authentication,
            "no api key supplied",
        ),
        (422, "{}", TroubleKind::InvalidRequest, "{}"),
        (
            429,
            r#"{"message":"slow down"}"#,
            TroubleKind::RateLimit,
            "slow down",
        ),
        (
            498,
            r#"{"message":"invalid token"}"#,
            TroubleKind::Authentication,
            "invalid token",
        ),
        (503, "", TroubleKind::Overloaded, "Service Unavailable"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let trouble = ChatWire.read_trouble(status, &headers, body.as_bytes());
        assert_eq!((trouble.kind, &*trouble.message.plain()), (kind, message));
        let (again, _, written) = ChatWire.write_trouble(&trouble);
        let written: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!((again, &written["message"]), (status, &json!(message)));
    }
}
