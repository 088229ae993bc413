mod laws;
mod refused;
mod replies;
mod requests;
mod streams;

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, Operation};
use serde_json::{Value, json};

use super::*;
use crate::dialect::openai::tests::claimed;
use crate::fake;

#[test]
fn the_version_header_tells_whose_a_shared_path_is() {
    use Operation::*;
    let versioned = [(VERSION_HEADER, "2026-10-21")];
    for (line, operation) in [
        ("POST /v1/messages", Chat),
        ("POST /v1/messages?beta=true", Chat),
        ("POST /anthropic/v1/messages", Chat),
        ("POST /v1/messages/count_tokens", CountTokens),
        ("GET /v1/models", ListModels),
        ("GET /v1/models/claude-x", GetModel),
        ("POST /v1/messages/batches", Other),
        ("GET /v1/messages/batches/b/results", Other),
        ("POST /v1/files", Other),
        ("DELETE /v1/models/x", Other),
    ] {
        let wanted = ("anthropic-messages", operation);
        assert_eq!(claimed(line, &versioned), wanted, "{line}");
    }
    for (line, operation) in [
        ("POST /v1/messages", Chat),
        ("POST /v1/messages/count_tokens", CountTokens),
        ("POST /v1/messages/batches", Other),
    ] {
        let wanted = ("anthropic-messages", operation);
        assert_eq!(claimed(line, &[]), wanted, "{line} without a version");
    }
}

#[test]
fn what_only_openai_has_is_openais_whatever_the_headers_say() {
    use Operation::*;
    let versioned = [(VERSION_HEADER, "2023-06-01")];
    for (line, operation) in [
        ("POST /v1/chat/completions", Chat),
        ("POST /v1/embeddings", Embeddings),
        ("POST /v1/threads/t/messages", Other),
    ] {
        assert_eq!(
            claimed(line, &versioned),
            ("openai-chat", operation),
            "{line}"
        );
    }
    assert_eq!(
        claimed("POST /v1/responses", &versioned),
        ("openai-responses", Chat)
    );
}

#[test]
fn every_kind_of_event_is_told_apart_with_and_without_its_name() {
    use EventKind::*;
    for (name, kind) in [
        ("message_start", Other),
        ("content_block_start", Other),
        ("content_block_delta", Content),
        ("content_block_stop", Other),
        ("content_block_glow", Other),
        ("message_delta", Finish),
        ("message_stop", Done),
        ("ping", KeepAlive),
        ("error", Error),
    ] {
        let data = format!(r#"{{"index":0,"type":"{name}"}}"#);
        let classify = |name: &str, data: &str| Messages.classify(name.as_bytes(), data.as_bytes());
        assert_eq!(classify(name, &data), kind, "{name}");
        assert_eq!(classify("", &data), kind, "{name} without an event name");
        assert_eq!(classify(name, "{}"), kind, "{name} without a type");
        assert_eq!(
            classify(name, &data[..data.len() - 1]),
            Unparsable,
            "{name} cut: a reply whose last event is cut is not whole"
        );
    }
    assert_eq!(Messages.classify(b"", b"{}"), Other);
    assert_eq!(Messages.classify(b"", br#"{"type":5}"#), Other);
}

fn noted(tokens: &mut Tokens, body: &Value) -> bool {
    Messages.usage(body.to_string().as_bytes(), tokens)
}

#[test]
fn cached_tokens_are_added_to_the_input() {
    let mut tokens = Tokens::default();
    let usage = json!({
        "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
        "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5},
    });
    assert!(noted(
        &mut tokens,
        &json!({"type": "message", "usage": usage})
    ));
    let mut wanted = Tokens::new(130, 7);
    (wanted.cache_read, wanted.cache_write, wanted.reasoning) = (100, 20, 5);
    assert_eq!(tokens, wanted);
}

#[test]
fn counts_of_later_events_replace_and_are_never_added_up() {
    let mut tokens = Tokens::default();
    let start = json!({"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1});
    assert!(noted(
        &mut tokens,
        &json!({"type": "message_start", "message": {"usage": start}})
    ));
    assert_eq!((tokens.input, tokens.output), (110, 1));
    for (usage, input, output) in [
        (json!({"output_tokens": 4}), 110, 4),
        (json!({"output_tokens": 9, "input_tokens": null}), 110, 9),
        (
            json!({"output_tokens": 9, "input_tokens": 10, "cache_read_input_tokens": 100}),
            110,
            9,
        ),
        (
            json!({"output_tokens": 9, "cache_creation_input_tokens": 5}),
            115,
            9,
        ),
        (json!({"output_tokens": 12, "input_tokens": 11}), 116, 12),
    ] {
        assert!(noted(
            &mut tokens,
            &json!({"type": "message_delta", "usage": usage})
        ));
        assert_eq!((tokens.input, tokens.output), (input, output), "{usage}");
    }
}

#[test]
fn what_is_no_usage_changes_nothing() {
    let mut tokens = Tokens::new(3, 4);
    for body in [
        json!({}),
        json!({"input_tokens": 14}),
        json!({"usage": null}),
        json!({"usage": 5}),
        json!({"message": {"usage": null}}),
        json!({"message": "usage"}),
        json!({"type": "error", "error": {"message": "no"}}),
    ] {
        assert!(!noted(&mut tokens, &body), "{body}");
    }
    assert_eq!(tokens, Tokens::new(3, 4));
}

#[test]
fn absurd_counts_do_not_overflow() {
    let mut tokens = Tokens::default();
    let usage = json!({"input_tokens": u64::MAX, "cache_read_input_tokens": u64::MAX, "cache_creation_input_tokens": u64::MAX});
    assert!(noted(&mut tokens, &json!({"usage": usage})));
    assert!(noted(&mut tokens, &json!({"usage": {"output_tokens": 1}})));
    assert_eq!(tokens.input, u64::MAX);
}

#[test]
fn an_error_is_written_as_anthropic_writes_it() {
    let error = Error::new(&codes::MODEL_NOT_FOUND, "no \"x\"").param("model");
    let (body, kind) = Messages.render().body(&error);
    let wanted = r#"{"type":"error","error":{"type":"not_found_error","message":"no \"x\"","details":{"code":"model_not_found"}}}"#;
    assert_eq!(body, wanted);
    assert_eq!(kind, "application/json");
    let last = Messages.render().in_stream(&error).unwrap();
    assert_eq!(last, format!("event: error\ndata: {wanted}\n\n"));
}

#[test]
fn every_family_of_errors_has_anthropics_word_for_it() {
    for (code, word) in [
        (&codes::BODY_NOT_JSON, "invalid_request_error"),
        (&codes::BODY_TOO_LARGE, "request_too_large"),
        (&codes::HOST_REFUSED, "permission_error"),
        (&codes::UPSTREAM_TIMEOUT, "timeout_error"),
        (&codes::UPSTREAM_BROKEN, "api_error"),
        (&fake::FULL, "overloaded_error"),
        (&codes::PANICKED, "api_error"),
    ] {
        let (body, _) = Messages.render().body(&Error::new(code, "x"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["type"], word, "{}", code.name);
    }
}
