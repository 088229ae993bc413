//! Every field a request may have is carried, noted, or refused.

use serde_json::{Value, json};

use super::{again, fields, reading, with, written_by};
use crate::codes::UNTRANSLATABLE;
use crate::dialect::openai::ChatWire;

#[test]
fn what_the_neutral_form_has_is_written_again_as_it_was() {
    let schema = json!({"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": true}});
    for (key, value) in [
        ("max_output_tokens", json!(12)),
        ("temperature", json!(1.0)),
        ("top_p", json!(0.5)),
        ("top_logprobs", json!(3)),
        ("text", schema),
        (
            "text",
            json!({"format": {"type": "json_object"}, "verbosity": "low"}),
        ),
        ("reasoning", json!({"effort": "high", "summary": "auto"})),
        (
            "tools",
            json!([{"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": true}]),
        ),
        ("include", json!(["message.output_text.logprobs"])),
        ("service_tier", json!("priority")),
        ("metadata", json!({"a": "b"})),
        ("store", json!(true)),
        ("user", json!("u")),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_retention", json!("24h")),
        ("stream", json!(true)),
    ] {
        let (written, lost) = again(&with(key, &value)).unwrap();
        assert_eq!(written[key], value);
        assert!(lost.is_empty(), "{key}: {lost:?}");
    }
}

#[test]
fn what_no_other_dialect_has_is_noted_under_its_name() {
    for (key, value, field) in [
        ("max_tool_calls", json!(3), "max_tool_calls"),
        ("truncation", json!("auto"), "truncation"),
        ("context_management", json!([]), "context_management"),
        ("include", json!(["file_search_call.results"]), "include[0]"),
        (
            "reasoning",
            json!({"effort": "low", "mode": "x"}),
            "reasoning.mode",
        ),
        (
            "stream_options",
            json!({"include_obfuscation": true}),
            "stream_options.include_obfuscation",
        ),
        ("a_field_of_next_month", json!(1), "a_field_of_next_month"),
    ] {
        let (_, lost) = again(&with(key, &value)).unwrap();
        assert_eq!(lost, [field]);
    }
    let verbose = with("text", &json!({"verbosity": "low"}));
    let noted = reading(&verbose, |_, losses| fields(losses)).unwrap();
    assert_eq!(noted, ["text.verbosity"], "elsewhere it is lost");
    let (chat, lost) = written_by(&ChatWire, &verbose).unwrap();
    assert_eq!((&chat["verbosity"], lost.len()), (&json!("low"), 0));
}

#[test]
fn what_openai_keeps_and_runs_itself_is_refused_by_name() {
    for (key, value, field) in [
        (
            "previous_response_id",
            json!("resp_1"),
            "previous_response_id",
        ),
        ("conversation", json!("conv_1"), "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "prompt"),
        ("background", json!(true), "background"),
        ("tools", json!([{"type": "web_search"}]), "tools[0]"),
        (
            "tools",
            json!([{"type": "custom", "name": "x"}]),
            "tools[0]",
        ),
        (
            "tools",
            json!([{"type": "mcp", "server_label": "x"}]),
            "tools[0]",
        ),
        ("tool_choice", json!({"type": "file_search"}), "tool_choice"),
        (
            "input",
            json!([{"type": "item_reference", "id": "x"}]),
            "input[0]",
        ),
        (
            "input",
            json!([{"type": "web_search_call", "id": "x"}]),
            "input[0]",
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "x"}]}]),
            "input[0].content[0]",
        ),
    ] {
        let e = again(&with(key, &value)).unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE, "{key}: {}", e.message());
        assert_eq!(e.at_param(), Some(field));
    }
    for key in [
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
    ] {
        let (_, lost) = again(&with(key, &Value::Null)).unwrap();
        assert!(lost.is_empty());
    }
}

#[test]
fn what_is_of_another_kind_is_refused_by_name() {
    for (key, value, field) in [
        ("input", json!(7), "input"),
        ("input", json!([]), "input"),
        ("input", json!([{"type": 1}]), "input[0].type"),
        (
            "input",
            json!([{"role": "robot", "content": ""}]),
            "input[0].role",
        ),
        ("input", json!([{"role": "user"}]), "input[0].content"),
        (
            "input",
            json!([{"type": "function_call", "name": "x"}]),
            "input[0].call_id",
        ),
        (
            "input",
            json!([{"type": "function_call_output", "call_id": "x"}]),
            "input[0].output",
        ),
        ("instructions", json!([]), "instructions"),
        ("temperature", json!("hot"), "temperature"),
        ("text", json!("short"), "text"),
        ("stream", json!("yes"), "stream"),
        ("tools", json!({}), "tools"),
        ("tools", json!([{"type": "function"}]), "tools[0].name"),
    ] {
        let e = again(&with(key, &value)).unwrap_err();
        assert_eq!(e.at_param(), Some(field), "{}", e.message());
        assert_eq!(e.status(), 400);
    }
}

#[test]
fn nothing_is_kept_by_the_provider_unless_that_was_asked() {
    let (written, _) = again(&with("store", &json!(false))).unwrap();
    assert_eq!(written["store"], false);
    let (written, _) = again(&json!({"input": "?"})).unwrap();
    assert_eq!(written["store"], false);
    assert_eq!(written.get("include"), None);
    let (written, _) = again(&with("reasoning", &json!({"effort": "low"}))).unwrap();
    assert_eq!(written["include"], json!(["reasoning.encrypted_content"]));
    let (written, _) = again(&with("reasoning", &json!({"effort": "none"}))).unwrap();
    assert_eq!(
        written.get("include"),
        None,
        "who does not think has nothing to seal"
    );
}

#[test]
fn a_function_is_as_strict_as_it_was_said_to_be() {
    let tool = json!([{"type": "function", "name": "add", "parameters": {"type": "object"}}]);
    let (written, _) = again(&with("tools", &tool)).unwrap();
    assert_eq!(written["tools"][0]["strict"], false);
}

#[test]
fn several_answers_and_sampling_responses_lack_are_refused_or_noted() {
    let chat = json!({"messages": [{"role": "user", "content": "?"}], "stop": "x", "seed": 1,
        "presence_penalty": 1, "frequency_penalty": 1, "top_k": 1});
    let head = http::Request::new(()).into_parts().0;
    let write = |body: &Value| {
        use crate::translate::{Losses, Target, Wire};
        let body = body.to_string();
        let mut losses = Losses::default();
        let read = ChatWire
            .read_request(&head, body.as_bytes(), &mut losses)
            .unwrap();
        super::ResponsesWire
            .write_request(&read, &Target::new("m"), &mut losses)
            .map(|_| fields(&losses))
    };
    let lost = write(&chat).unwrap();
    assert_eq!(
        lost,
        [
            "top_k",
            "stop",
            "seed",
            "frequency_penalty",
            "presence_penalty"
        ]
    );
    let mut several = chat;
    several["n"] = json!(2);
    assert_eq!(write(&several).unwrap_err().at_param(), Some("n"));
    several["n"] = json!(1);
    assert!(write(&several).is_ok());
}
