use http::{HeaderMap, HeaderValue, StatusCode};
use portcullis_core::error::codes;
use serde_json::{Value, json};

use super::{asked, fields};
use crate::dialect::bedrock::ConverseWire;
use crate::translate::*;

fn full() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
            {"reasoningContent": {"redactedContent": "cmVk"}},
            {"text": "Here."},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "t", "input": {"a": 1}}},
        ]}},
        "stopReason": "tool_use",
        "usage": {
            "inputTokens": 10, "outputTokens": 5, "totalTokens": 45,
            "cacheReadInputTokens": 20, "cacheWriteInputTokens": 10,
        },
        "metrics": {"latencyMs": 0},
    })
}

#[test]
fn a_reply_survives_reading_and_writing() {
    let body = full().to_string();
    let mut losses = Losses::default();
    let reply = ConverseWire
        .read_reply(body.as_bytes(), &mut losses)
        .unwrap();
    assert_eq!(reply.usage.unwrap().input, 40);
    let written = ConverseWire
        .write_reply(&reply, &asked(), &mut losses)
        .unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), full());
    assert!(losses.is_empty());
}

#[test]
fn every_stop_reason_has_a_meaning() {
    for (word, stop) in [
        ("end_turn", Stop::End),
        ("tool_use", Stop::ToolUse),
        ("max_tokens", Stop::Length),
        ("stop_sequence", Stop::Sequence),
        ("guardrail_intervened", Stop::Filter),
        ("content_filtered", Stop::Filter),
        ("malformed_model_output", Stop::Malformed),
        ("malformed_tool_use", Stop::Malformed),
        ("model_context_window_exceeded", Stop::Window),
        ("new", Stop::Other),
    ] {
        let mut body = full();
        body["stopReason"] = json!(word);
        body["additionalModelResponseFields"] = json!({"stop_sequence": "END"});
        let body = body.to_string();
        let reply = ConverseWire
            .read_reply(body.as_bytes(), &mut Losses::default())
            .unwrap();
        assert_eq!(reply.choices[0].stop, stop, "{word}");
        assert!(reply.choices[0].stop_sequence.as_ref().unwrap().is("END"));
    }
}

#[test]
fn what_is_no_reply_is_the_upstreams_fault() {
    for body in [
        "",
        "{}",
        "<html>",
        r#"{"output":5}"#,
        r#"{"output":{"message":{"content":[{"text":1}]}}}"#,
    ] {
        let e = ConverseWire.read_reply(body.as_bytes(), &mut Losses::default());
        assert_eq!(*e.unwrap_err().code(), codes::UPSTREAM_BROKEN, "{body}");
    }
}

#[test]
fn a_call_without_an_id_gets_one_and_its_signature_comes_back_with_it() {
    let signature = Signature {
        family: "google",
        data: "abc".into(),
    };
    let call = Part::ToolCall(ToolCall {
        id: None,
        name: "t".into(),
        arguments: Arguments::String("".into()),
        signature: Some(signature.clone()),
        cache: None,
    });
    let redacted = Part::Reasoning(Reasoning {
        signature: Some(signature.clone()),
        redacted: true,
        ..Reasoning::default()
    });
    let reply = Reply {
        choices: vec![Choice {
            parts: vec![call, redacted],
            stop: Stop::ToolUse,
            ..Choice::default()
        }],
        ..Reply::default()
    };
    let written = ConverseWire
        .write_reply(&reply, &asked(), &mut Losses::default())
        .unwrap();
    let body: Value = serde_json::from_slice(&written).unwrap();
    let content = body["output"]["message"]["content"].clone();
    assert_eq!(
        content[0]["toolUse"],
        json!({"toolUseId": "tooluse_c1_0", "name": "t", "input": {}})
    );
    let request = json!({"messages": [{"role": "assistant", "content": content}]}).to_string();
    let head = super::head("/model/m/converse");
    let read = ConverseWire.read_request(&head, request.as_bytes(), &mut Losses::default());
    let read = read.unwrap();
    let [Part::ToolCall(call), Part::Reasoning(thought)] = &read.turns[0].parts[..] else {
        panic!("{:?}", read.turns[0].parts);
    };
    assert_eq!(call.signature, Some(signature.clone()));
    assert_eq!(thought.signature, Some(signature));
    assert!(thought.redacted);
}

#[test]
fn errors_keep_status_words_and_id_both_ways() {
    for (name, status, kind) in [
        ("AccessDeniedException", 403, TroubleKind::Permission),
        (
            "UnrecognizedClientException",
            403,
            TroubleKind::Authentication,
        ),
        ("ValidationException", 400, TroubleKind::InvalidRequest),
        ("ServiceQuotaExceededException", 400, TroubleKind::RateLimit),
        ("ResourceNotFoundException", 404, TroubleKind::NotFound),
        ("ModelTimeoutException", 408, TroubleKind::Timeout),
        ("ModelErrorException", 424, TroubleKind::Server),
        ("ThrottlingException", 429, TroubleKind::RateLimit),
        ("ModelNotReadyException", 429, TroubleKind::Overloaded),
        ("InternalServerException", 500, TroubleKind::Server),
        ("ServiceUnavailableException", 503, TroubleKind::Overloaded),
    ] {
        let mut headers = HeaderMap::new();
        let named = format!("{name}:http://internal.amazon.com/coral/");
        headers.insert("x-amzn-errortype", HeaderValue::from_str(&named).unwrap());
        headers.insert("x-amzn-requestid", HeaderValue::from_static("r-1"));
        let status = StatusCode::from_u16(status).unwrap();
        let trouble =
            ConverseWire.read_trouble(status, &headers, b"{\"message\":\"no \\\"x\\\"\"}");
        assert_eq!(trouble.kind, kind, "{name}");
        assert!(trouble.code.as_ref().unwrap().is(name));
        let (again, headers, body) = ConverseWire.write_trouble(&trouble);
        assert_eq!(again, status);
        assert_eq!(headers["x-amzn-requestid"], "r-1");
        assert_eq!(body, "{\"message\":\"no \\\"x\\\"\"}");
    }
    let none = HeaderMap::new();
    let too_long = b"{\"Message\":\"Input is too long for requested model.\",\"__type\":\"a#ValidationException\"}";
    let trouble = ConverseWire.read_trouble(StatusCode::BAD_REQUEST, &none, too_long);
    assert_eq!(trouble.kind, TroubleKind::ContextLength);
    let page = ConverseWire.read_trouble(StatusCode::BAD_GATEWAY, &none, b"<html>");
    assert_eq!(page.kind, TroubleKind::Server);
    assert!(page.message.is("Bad Gateway"));
}

#[test]
fn more_than_one_answer_is_a_loss() {
    let reply = Reply {
        choices: vec![Choice::default(), Choice::default()],
        ..Reply::default()
    };
    let mut losses = Losses::default();
    ConverseWire
        .write_reply(&reply, &asked(), &mut losses)
        .unwrap();
    assert_eq!(fields(&losses), ["choices[1]"]);
}
