//! Every field a request may have is carried, noted, or refused.

use serde_json::{Value, json};

use super::{again, fields, reading, with};
use crate::codes::UNTRANSLATABLE;
use crate::translate::{Effort, ToolChoice};

fn tool() -> Value {
    json!({"type": "function", "function": {
        "name": "add", "description": "sums", "parameters": {"type": "object"}, "strict": true,
    }})
}

#[test]
fn what_the_neutral_form_has_is_written_again_as_it_was() {
    let schema = json!({"type": "json_schema", "json_schema": {
        "name": "a", "description": "d", "schema": {"type": "object"}, "strict": true,
    }});
    for (key, value) in [
        ("max_completion_tokens", json!(12)),
        ("temperature", json!(1.0)),
        ("top_p", json!(0.5)),
        ("n", json!(2)),
        ("stop", json!(["a", "b"])),
        ("seed", json!(12_345_678_901_234_567_890_u64)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("presence_penalty", json!(-0.5)),
        ("frequency_penalty", json!(0)),
        ("response_format", json!({"type": "json_object"})),
        ("response_format", schema),
        ("tools", json!([tool()])),
        ("reasoning_effort", json!("xhigh")),
        ("verbosity", json!("low")),
        ("service_tier", json!("flex")),
        ("store", json!(true)),
        ("user", json!("u")),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_retention", json!("24h")),
    ] {
        let (written, lost) = again(&with(key, &value)).unwrap();
        assert_eq!(written[key], value);
        assert!(lost.is_empty(), "{key}: {lost:?}");
    }
}

#[test]
fn what_no_other_dialect_has_is_noted_under_its_name() {
    for (key, value) in [
        ("logit_bias", json!({"50256": -100})),
        ("prediction", json!({"type": "content", "content": "x"})),
        ("audio", json!({"voice": "alloy", "format": "wav"})),
        ("moderation", json!({})),
        ("a_field_of_next_month", json!(1)),
        ("top_k", json!(5)),
        ("service_tier", json!("standard_only")),
        ("metadata", json!({"a": "b"})),
        ("reasoning_effort", json!("enormous")),
    ] {
        let (_, lost) = again(&with(key, &value)).unwrap();
        assert_eq!(lost, [key]);
    }
    let extras = [
        "store",
        "verbosity",
        "prompt_cache_retention",
        "prompt_cache_options",
    ];
    for key in extras {
        let value = if key == "store" {
            json!(true)
        } else {
            json!("x")
        };
        let noted = reading(&with(key, &value), |_, losses| fields(losses));
        assert_eq!(noted.unwrap(), [key], "elsewhere it is lost");
    }
    let options = json!({"include_usage": true, "include_obfuscation": true});
    let (_, lost) = again(&with("stream_options", &options)).unwrap();
    assert_eq!(lost, ["stream_options.include_obfuscation"]);
}

#[test]
fn what_is_said_by_default_is_no_loss() {
    for (key, value) in [
        ("store", json!(false)),
        ("modalities", json!(["text"])),
        ("logit_bias", Value::Null),
        ("response_format", json!({"type": "text"})),
        ("stream_options", json!({"include_obfuscation": false})),
        ("tool_choice", Value::Null),
    ] {
        let (_, lost) = again(&with(key, &value)).unwrap();
        assert!(lost.is_empty(), "{key}: {lost:?}");
    }
}

#[test]
fn custom_grammar_tools_web_search_and_hosted_tools_are_refused_by_name() {
    let custom = json!([tool(), {"type": "custom", "custom": {"name": "x"}}]);
    for (key, value, field) in [
        ("tools", custom, "tools[1]"),
        ("tools", json!([{"type": "web_search"}]), "tools[0]"),
        ("web_search_options", json!({}), "web_search_options"),
        ("modalities", json!(["text", "audio"]), "modalities"),
        (
            "tool_choice",
            json!({"type": "custom", "custom": {"name": "x"}}),
            "tool_choice",
        ),
        (
            "response_format",
            json!({"type": "grammar"}),
            "response_format",
        ),
    ] {
        let e = again(&with(key, &value)).unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE, "{key}");
        assert_eq!(e.at_param(), Some(field));
    }
}

#[test]
fn what_is_of_another_kind_is_refused_by_name() {
    for (key, value, field) in [
        ("messages", json!("hi"), "messages"),
        ("messages", json!([]), "messages"),
        (
            "messages",
            json!([{"role": "robot", "content": ""}]),
            "messages[0].role",
        ),
        ("messages", json!([{"role": "user"}]), "messages[0].content"),
        ("messages", json!([7]), "messages[0]"),
        ("temperature", json!("hot"), "temperature"),
        ("stop", json!([1]), "stop"),
        ("stream", json!("yes"), "stream"),
        ("tools", json!({}), "tools"),
        ("tools", json!([{"type": "function"}]), "tools[0].function"),
        (
            "tools",
            json!([{"type": "function", "function": {"name": ""}}]),
            "tools[0].function.name",
        ),
        ("tool_choice", json!("any"), "tool_choice"),
        ("user", json!(1), "user"),
    ] {
        let e = again(&with(key, &value)).unwrap_err();
        assert_eq!(e.at_param(), Some(field), "{}", e.message());
        assert_eq!(e.status(), 400);
    }
}

#[test]
fn both_max_fields_set_max_completion_tokens_wins() {
    let mut body = with("max_tokens", &json!(1));
    let (written, _) = again(&body).unwrap();
    assert_eq!(written["max_completion_tokens"], 1);
    body["max_completion_tokens"] = json!(2);
    let (written, lost) = again(&body).unwrap();
    assert_eq!(written["max_completion_tokens"], 2);
    assert_eq!(lost, ["max_tokens"]);
}

#[test]
fn stop_string_or_list_of_which_openai_takes_four() {
    let (written, _) = again(&with("stop", &json!("x"))).unwrap();
    assert_eq!(written["stop"], json!(["x"]));
    let (written, lost) = again(&with("stop", &json!(["a", "b", "c", "d", "e"]))).unwrap();
    assert_eq!(written["stop"], json!(["a", "b", "c", "d"]));
    assert_eq!(lost, ["stop[4]"]);
}

#[test]
fn missing_parameters_become_an_empty_object_schema() {
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    let (written, lost) = again(&with("tools", &tools)).unwrap();
    let parameters = &written["tools"][0]["function"]["parameters"];
    assert_eq!(*parameters, json!({"type": "object", "properties": {}}));
    assert!(lost.is_empty());
}

#[test]
fn choices_among_tools_are_read_in_every_form() {
    let allowed = |mode: &str| {
        json!({"type": "allowed_tools", "allowed_tools": {
            "mode": mode, "tools": [{"type": "function", "function": {"name": "add"}}],
        }})
    };
    let add = || Some(ToolChoice::Named(vec!["add".into()]));
    for (given, read, losses) in [
        (json!("auto"), Some(ToolChoice::Auto), 0),
        (json!("none"), Some(ToolChoice::None), 0),
        (json!("required"), Some(ToolChoice::Required), 0),
        (
            json!({"type": "function", "function": {"name": "add"}}),
            add(),
            0,
        ),
        (allowed("required"), add(), 0),
        (allowed("auto"), Some(ToolChoice::Auto), 1),
    ] {
        let mut body = with("tool_choice", &given);
        body["tools"] = json!([tool()]);
        let found = reading(&body, |conversation, lost| {
            let choice = conversation.tool_choice.take();
            let same = match (&choice, &read) {
                (Some(ToolChoice::Named(a)), Some(ToolChoice::Named(b))) => a[0].is(&b[0].plain()),
                (a, b) => a == b,
            };
            (same, fields(lost).len())
        });
        assert_eq!(found.unwrap(), (true, losses), "{given}");
    }
}

#[test]
fn functions_of_the_old_form_are_carried_as_tools() {
    let mut body = with(
        "functions",
        &json!([{"name": "add", "parameters": {"type": "object"}}]),
    );
    body["function_call"] = json!({"name": "add"});
    body["messages"] = json!([
        {"role": "user", "content": "1+1"},
        {"role": "assistant", "content": null, "function_call": {"name": "add", "arguments": "{}"}},
        {"role": "function", "name": "add", "content": "2"},
    ]);
    let (written, lost) = again(&body).unwrap();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(written["tools"][0]["function"]["name"], "add");
    assert_eq!(written["tool_choice"]["function"]["name"], "add");
    assert_eq!(written["parallel_tool_calls"], false);
    let id = &written["messages"][1]["tool_calls"][0]["id"];
    assert!(id.is_string());
    assert_eq!(written["messages"][2]["role"], "tool");
    assert_eq!(written["messages"][2]["tool_call_id"], *id);
    let functions = reading(&body, |conversation, _| conversation.functions);
    assert!(functions.unwrap());
}

#[test]
fn an_effort_is_read_and_a_budget_is_told_in_words() {
    let effort = reading(&with("reasoning_effort", &json!("minimal")), |c, _| {
        c.thinking.as_ref().and_then(|thinking| thinking.effort)
    });
    assert_eq!(effort.unwrap(), Some(Effort::Minimal));
}

#[test]
fn user_and_safety_identifier_are_one_unless_both_are_there() {
    let mut body = with("safety_identifier", &json!("s"));
    let (written, lost) = again(&body).unwrap();
    assert_eq!((&written["user"], lost.len()), (&json!("s"), 0));
    body["user"] = json!("u");
    let (written, lost) = again(&body).unwrap();
    assert_eq!(written["safety_identifier"], "s");
    assert_eq!((&written["user"], lost.len()), (&json!("u"), 0));
}

#[test]
fn a_stream_is_asked_to_tell_its_usage_whether_the_caller_wants_it_or_not() {
    let (written, _) = again(&with("stream", &json!(true))).unwrap();
    assert_eq!(written["stream_options"], json!({"include_usage": true}));
    let asked = reading(&with("stream", &json!(true)), |c, _| c.usage_asked);
    assert!(!asked.unwrap());
}
