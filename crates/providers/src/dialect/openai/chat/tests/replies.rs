//! Whole replies, and errors.

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{ChatWire, fields};
use crate::translate::fold::shape;
use crate::translate::testing::asked;
use crate::translate::{
    Arguments, Asked, Choice, Losses, Part, Reply, Stop, ToolCall, TroubleKind, Wire,
};

fn read<T>(body: &Value, look: impl FnOnce(&Reply<'_>) -> T) -> T {
    let body = body.to_string();
    look(
        &ChatWire
            .read_reply(body.as_bytes(), &mut Losses::default())
            .unwrap(),
    )
}

fn written(reply: &Reply<'_>, asked: &Asked) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = ChatWire.write_reply(reply, asked, &mut losses).unwrap();
    (serde_json::from_slice(&body).unwrap(), fields(&losses))
}

fn ended(stop: Stop, parts: Vec<Part<'static>>) -> Reply<'static> {
    Reply {
        choices: vec![Choice {
            parts,
            stop,
            ..Choice::default()
        }],
        ..Reply::default()
    }
}

fn call() -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: None,
        name: "x".into(),
        arguments: Arguments::String("".into()),
        signature: None,
        cache: None,
    })
}

#[test]
fn every_member_a_client_demands_is_there() {
    let (body, lost) = written(
        &ended(Stop::End, vec![Part::text("a"), Part::text("b")]),
        &asked(false),
    );
    assert_eq!(
        body,
        json!({
            "id": "chatcmpl-0123", "object": "chat.completion", "created": 1_700_000_000,
            "model": "asked-model",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": null},
                "logprobs": null, "finish_reason": "stop",
            }],
        })
    );
    assert!(lost.is_empty());
}

#[test]
fn stop_reasons_have_the_finish_reason_nearest_to_them() {
    for (stop, reason, lost) in [
        (Stop::End, "stop", 0),
        (Stop::Sequence, "stop", 0),
        (Stop::Length, "length", 0),
        (Stop::Window, "length", 0),
        (Stop::Refusal, "content_filter", 0),
        (Stop::Filter, "content_filter", 0),
        (Stop::Pause, "stop", 1),
        (Stop::Malformed, "stop", 1),
        (Stop::Other, "stop", 1),
    ] {
        let (body, losses) = written(&ended(stop, vec![Part::text("a")]), &asked(false));
        assert_eq!(body["choices"][0]["finish_reason"], reason);
        assert_eq!(losses.len(), lost, "{stop:?}");
    }
    // Gemini says that it stopped where it calls.
    let (body, _) = written(&ended(Stop::End, vec![call()]), &asked(false));
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(body["choices"][0]["message"]["content"], Value::Null);
    let made = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(made["id"], "call_0123_0_0");
    assert_eq!(made["function"]["arguments"], "{}");
    let (body, _) = written(
        &ended(Stop::Refusal, vec![Part::Refusal("no".into())]),
        &asked(false),
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["choices"][0]["message"]["refusal"], "no");
}

#[test]
fn who_speaks_of_functions_is_answered_so() {
    let asked = Asked {
        functions: true,
        ..asked(false)
    };
    let (body, lost) = written(&ended(Stop::ToolUse, vec![call(), call()]), &asked);
    let choice = &body["choices"][0];
    assert_eq!(
        choice["message"]["function_call"],
        json!({"name": "x", "arguments": "{}"})
    );
    assert_eq!(choice["message"].get("tool_calls"), None);
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(lost, ["tool_calls"]);
}

#[test]
fn several_choices_and_probabilities_come_through() {
    let logprobs = json!({"content": [{"token": "a", "logprob": -0.10, "bytes": [97], "top_logprobs": []}], "refusal": null});
    let choice = |index, text: &str| {
        json!({
            "index": index, "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": logprobs, "finish_reason": "stop",
        })
    };
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "m-1",
        "choices": [choice(0, "a"), choice(1, "b")],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        "service_tier": "default",
    });
    let again = read(&body, |reply| written(reply, &asked(false)));
    assert_eq!(again.0, body);
    assert!(again.1.is_empty());
}

#[test]
fn finish_reasons_are_read_with_what_is_in_the_choice() {
    let stop = |message: Value, reason: Value| {
        let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": reason}]});
        read(&body, |reply| reply.choices[0].stop)
    };
    let calls = json!({"content": null, "tool_calls": [{"id": "1", "function": {"name": "x", "arguments": "{}"}}]});
    assert_eq!(stop(json!({"content": "a"}), json!("stop")), Stop::End);
    assert_eq!(stop(json!({"content": "a"}), json!("length")), Stop::Length);
    assert_eq!(
        stop(json!({"content": "a"}), json!("content_filter")),
        Stop::Filter
    );
    assert_eq!(
        stop(json!({"content": null, "refusal": "no"}), json!("stop")),
        Stop::Refusal
    );
    assert_eq!(stop(calls.clone(), json!("stop")), Stop::ToolUse);
    assert_eq!(stop(calls, Value::Null), Stop::ToolUse);
    assert_eq!(stop(json!({"content": "a"}), json!("eos")), Stop::Other);
}

#[test]
fn thoughts_of_every_host_are_read() {
    for message in [
        json!({"content": "a", "reasoning_content": "hm"}),
        json!({"content": "a", "reasoning": "hm"}),
        json!({"content": "a", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
        json!({"content": "a", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}),
    ] {
        let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        let thoughts = read(&body, |reply| {
            shape(reply)["choices"][0]["thoughts"].clone()
        });
        assert_eq!(thoughts, json!([["hm", null, false]]), "{message}");
    }
}

#[test]
fn what_is_no_reply_is_a_broken_upstream() {
    for body in [
        "{}",
        "[]",
        "",
        r#"{"choices":null}"#,
        r#"{"choices":[{"index":0}]}"#,
        r#"{"choices":[{"message":{"content":7}}]}"#,
        r#"{"choices":[{"message":{"tool_calls":[{"function":{}}]}}]}"#,
        r#"{"choices":[]"#,
    ] {
        let read = ChatWire.read_reply(body.as_bytes(), &mut Losses::default());
        assert_eq!(read.unwrap_err().code().name, "upstream_broken", "{body}");
    }
}

#[test]
fn errors_are_read_in_the_forms_hosts_have() {
    let headers =
        HeaderMap::from_iter([("x-request-id".parse().unwrap(), "req_1".parse().unwrap())]);
    for (status, body, kind, message) in [
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"p","code":"context_length_exceeded"}}"#,
            TroubleKind::ContextLength,
            "m",
        ),
        (
            400,
            r#"{"error":{"message":"m","code":"content_filter","innererror":{}}}"#,
            TroubleKind::ContentFilter,
            "m",
        ),
        (
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota"}}"#,
            TroubleKind::Billing,
            "m",
        ),
        (
            429,
            r#"{"error":{"message":"m"}}"#,
            TroubleKind::RateLimit,
            "m",
        ),
        (
            404,
            r#"{"error":"no such model"}"#,
            TroubleKind::NotFound,
            "no such model",
        ),
        (
            400,
            r#"{"object":"error","message":"m","code":400}"#,
            TroubleKind::InvalidRequest,
            "m",
        ),
        (401, r#"{"detail":"m"}"#, TroubleKind::Authentication, "m"),
        (
            502,
            "<html>oops</html>",
            TroubleKind::Server,
            "<html>oops</html>",
        ),
        (503, "", TroubleKind::Overloaded, "Service Unavailable"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let trouble = ChatWire.read_trouble(status, &headers, body.as_bytes());
        assert_eq!((trouble.kind, &*trouble.message.plain()), (kind, message));
        assert_eq!(trouble.status, status);
        assert!(trouble.request_id.unwrap().is("req_1"));
    }
}

#[test]
fn an_error_is_written_with_its_status_words_and_retry_hint() {
    let body = br#"{"error":{"message":"slow \u00e9","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#;
    let status = StatusCode::TOO_MANY_REQUESTS;
    let headers = HeaderMap::new();
    let mut trouble = ChatWire.read_trouble(status, &headers, body);
    trouble.retry_after = Some(std::time::Duration::from_millis(1500));
    trouble.request_id = Some("req_9".into());
    let (status, headers, body) = ChatWire.write_trouble(&trouble);
    assert_eq!(status, 429);
    assert_eq!(headers["retry-after"], "2");
    assert_eq!(headers["x-request-id"], "req_9");
    let error = json!({"message": "slow é", "type": "rate_limit_error", "param": null, "code": "rate_limit_exceeded"});
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap(),
        json!({"error": error})
    );
}
