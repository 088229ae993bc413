//! Whole replies and errors, from this dialect to the neutral form and back.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use portcullis_core::error::codes;
use serde_json::{Value, json};

use crate::dialect::anthropic::MessagesWire;
use crate::translate::{
    Arguments, Asked, Choice, Losses, Part, Reply, Signature, Stop, ToolCall, Trouble, TroubleKind,
    Wire,
};

pub(super) fn asked() -> Asked {
    Asked {
        model: "asked".into(),
        call: "0123".into(),
        created: 1_700_000_000,
        stream: true,
        usage: true,
        functions: false,
        head: std::sync::Arc::new(http::Request::new(()).into_parts().0),
    }
}

fn through(body: &Value) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = body.to_string();
    let reply = MessagesWire.read_reply(body.as_bytes(), &mut losses);
    let written = MessagesWire.write_reply(&reply.unwrap(), &asked(), &mut losses);
    let fields = losses.iter().map(|loss| loss.field.to_string());
    (
        serde_json::from_slice(&written.unwrap()).unwrap(),
        fields.collect(),
    )
}

fn message(content: &Value, more: &Value) -> Value {
    let mut message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
        "stop_reason": "end_turn", "stop_sequence": null, "stop_details": null,
        "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100,
            "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5}, "service_tier": "standard",
        },
    });
    let members = more.as_object().unwrap().clone();
    message.as_object_mut().unwrap().extend(members);
    message
}

#[test]
fn a_reply_comes_out_as_it_went_in() {
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "so", "citations": [{"type": "char_location", "cited_text": "x"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1.0}},
    ]);
    let whole = message(&content, &json!({"stop_reason": "tool_use"}));
    assert_eq!(through(&whole), (whole, vec![]));
}

#[test]
fn every_stop_reason_is_kept() {
    for stop in [
        json!({"stop_reason": "end_turn"}),
        json!({"stop_reason": "max_tokens"}),
        json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}),
        json!({"stop_reason": "pause_turn"}),
        json!({"stop_reason": "model_context_window_exceeded"}),
        json!({"stop_reason": "refusal", "stop_details":
            {"type": "refusal", "category": null, "explanation": "no"}}),
    ] {
        let whole = message(&json!([{"type": "text", "text": "a"}]), &stop);
        assert_eq!(through(&whole), (whole, vec![]));
    }
}

#[test]
fn usage_counts_cached_tokens_beside_the_input() {
    let body = message(&json!([]), &json!({})).to_string();
    let reply = MessagesWire.read_reply(body.as_bytes(), &mut Losses::default());
    let usage = reply.unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.output), (130, 7));
    assert_eq!(
        (usage.cache_read, usage.cache_write, usage.reasoning),
        (100, 20, 5)
    );
}

fn said(parts: Vec<Part<'static>>, stop: Stop) -> (Value, Vec<String>) {
    let reply = Reply {
        choices: vec![Choice {
            parts,
            stop,
            ..Choice::default()
        }],
        ..Reply::default()
    };
    let mut losses = Losses::default();
    let written = MessagesWire.write_reply(&reply, &asked(), &mut losses);
    let fields = losses.iter().map(|loss| loss.field.to_string());
    (
        serde_json::from_slice(&written.unwrap()).unwrap(),
        fields.collect(),
    )
}

#[test]
fn what_another_dialect_does_not_say_is_made_up() {
    let (body, losses) = said(vec![], Stop::End);
    let wanted = json!({
        "id": "msg_0123", "type": "message", "role": "assistant", "model": "asked", "content": [],
        "stop_reason": "end_turn", "stop_sequence": null, "stop_details": null,
        "usage": {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0},
    });
    assert_eq!((body, losses), (wanted, vec![]));
}

#[test]
fn a_refusal_and_a_filter_are_both_a_refusal() {
    let (body, _) = said(vec![Part::Refusal("no".into())], Stop::End);
    assert_eq!(body["content"], json!([{"type": "text", "text": "no"}]));
    assert_eq!(body["stop_reason"], "refusal");
    assert_eq!(said(vec![], Stop::Filter).0["stop_reason"], "refusal");
    let (body, losses) = said(vec![], Stop::Malformed);
    assert_eq!(
        (&body["stop_reason"], losses),
        (&json!("end_turn"), vec!["stop_reason".to_owned()])
    );
}

#[test]
fn a_call_with_a_seal_and_arguments_that_were_cut_reaches_the_caller_whole() {
    let call = Part::ToolCall(ToolCall {
        id: Some("c".into()),
        name: "a.b".into(),
        arguments: Arguments::String(r#"{"a":"#.into()),
        signature: Some(Signature {
            family: "google",
            data: "c2ln".into(),
        }),
        cache: None,
    });
    let (body, losses) = said(vec![call], Stop::Length);
    let content = json!([
        {"type": "tool_use", "id": "c", "name": "a.b", "input": {"INVALID_JSON": "{\"a\":"}},
        {"type": "redacted_thinking", "data": "portcullis.call.portcullis.google.c2ln"},
    ]);
    assert_eq!(body["content"], content);
    assert_eq!(losses, ["content.arguments"]);
}

#[test]
fn what_is_no_message_is_the_upstreams_fault() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"content":5}"#,
        r#"{"content":[{"type":"text"}]}"#,
    ] {
        let read = MessagesWire.read_reply(body.as_bytes(), &mut Losses::default());
        assert_eq!(read.unwrap_err().code(), &codes::UPSTREAM_BROKEN, "{body}");
    }
}

#[test]
fn an_error_comes_out_as_it_went_in() {
    for (status, kind, more) in [
        (400, "invalid_request_error", json!({})),
        (401, "authentication_error", json!({})),
        (402, "billing_error", json!({})),
        (
            403,
            "permission_error",
            json!({"details": {"error_code": "workspace_archived"}}),
        ),
        (404, "not_found_error", json!({})),
        (413, "request_too_large", json!({})),
        (429, "rate_limit_error", json!({})),
        (500, "api_error", json!({})),
        (504, "timeout_error", json!({})),
        (529, "overloaded_error", json!({})),
    ] {
        let mut body = json!({"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"});
        let members = more.as_object().unwrap().clone();
        body["error"].as_object_mut().unwrap().extend(members);
        let status = StatusCode::from_u16(status).unwrap();
        let raw = body.to_string();
        let headers = HeaderMap::new();
        let trouble = MessagesWire.read_trouble(status, &headers, raw.as_bytes());
        let (again, headers, written) = MessagesWire.write_trouble(&trouble);
        assert_eq!(again, status);
        assert_eq!(headers["request-id"], "req_1");
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
    }
}

#[test]
fn a_conversation_that_is_too_long_is_told_apart() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 200001 tokens > 200000 maximum"}}"#;
    let headers = HeaderMap::new();
    let trouble = MessagesWire.read_trouble(StatusCode::BAD_REQUEST, &headers, body.as_bytes());
    assert_eq!(trouble.kind, TroubleKind::ContextLength);
}

#[test]
fn anything_can_be_an_error() {
    let mut headers = HeaderMap::new();
    headers.insert("request-id", "req_2".parse().unwrap());
    for (status, body, message, kind) in [
        (
            502,
            "<html>bad gateway</html>",
            "<html>bad gateway</html>",
            TroubleKind::Server,
        ),
        (503, "", "Service Unavailable", TroubleKind::Overloaded),
        (
            429,
            r#"{"error":5}"#,
            r#"{"error":5}"#,
            TroubleKind::RateLimit,
        ),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let trouble = MessagesWire.read_trouble(status, &headers, body.as_bytes());
        assert_eq!((&*trouble.message.plain(), trouble.kind), (message, kind));
        assert_eq!(trouble.request_id.unwrap().plain(), "req_2");
    }
}

#[test]
fn a_time_to_wait_is_told_in_whole_seconds() {
    let trouble = Trouble {
        kind: TroubleKind::RateLimit,
        status: StatusCode::TOO_MANY_REQUESTS,
        message: "slow down".into(),
        code: Some("rate_limit_exceeded".into()),
        param: None,
        retry_after: Some(Duration::from_millis(1200)),
        request_id: None,
    };
    let (_, headers, body) = MessagesWire.write_trouble(&trouble);
    assert_eq!(headers["retry-after"], "2");
    let error = json!({"type": "rate_limit_error", "message": "slow down", "details": {"error_code": "rate_limit_exceeded"}});
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap()["error"],
        error
    );
}
