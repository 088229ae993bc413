//! Requests: what the API or other dialects do not take, and what becomes of it.

use portcullis_core::error::codes;
use portcullis_core::json::Raw;
use serde_json::{Value, json};

use super::requests::*;
use crate::codes::UNTRANSLATABLE;
use crate::dialect::anthropic::MessagesWire;
use crate::translate::*;

#[test]
fn no_parallel_calls_needs_a_choice_and_tools_to_choose_from() {
    let mut conversation = read(&with_tools(&json!({}))).unwrap().0;
    conversation.parallel_tools = Some(false);
    let (body, _) = write(&conversation).unwrap();
    let choice = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(body["tool_choice"], choice);
    conversation.tools.clear();
    let (body, _) = write(&conversation).unwrap();
    assert_eq!(body["tool_choice"], Value::Null);
    conversation.tool_choice = Some(ToolChoice::Required);
    let refusal = refused(write(&conversation));
    assert_eq!(refusal, ("invalid_field", Some("tool_choice".into())));
}

#[test]
fn a_choice_of_several_tools_leaves_the_others_out() {
    let mut conversation = read(&with_tools(&json!({}))).unwrap().0;
    conversation.tools.push(Tool {
        name: "other".into(),
        ..conversation.tools[0].clone()
    });
    conversation.tool_choice = Some(ToolChoice::Named(vec!["add".into(), "now".into()]));
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
    assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    assert_eq!(losses, ["tools[other]"]);
}

#[test]
fn a_forced_choice_while_the_model_thinks_is_refused() {
    let mut conversation = read(&with_tools(&json!({}))).unwrap().0;
    conversation.tool_choice = Some(ToolChoice::Named(vec!["add".into()]));
    conversation.thinking = Some(Thinking {
        effort: Some(Effort::Low),
        ..Thinking::default()
    });
    let refusal = refused(write(&conversation));
    assert_eq!(refusal, ("untranslatable", Some("tool_choice".into())));
    conversation.thinking = Some(Thinking {
        effort: Some(Effort::None),
        ..Thinking::default()
    });
    assert!(write(&conversation).is_ok());
}

#[test]
fn max_tokens_is_always_there_and_leaves_room_for_a_budget() {
    let mut conversation = spoken(vec![user("a")]);
    assert_eq!(write(&conversation).unwrap().0["max_tokens"], 8192);
    conversation.thinking = Some(Thinking {
        budget: Some(Raw::parse(b"10000").unwrap()),
        ..Thinking::default()
    });
    assert_eq!(write(&conversation).unwrap().0["max_tokens"], 18192);
    conversation.thinking = Some(Thinking {
        budget: Some(Raw::parse(b"100").unwrap()),
        ..Thinking::default()
    });
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["thinking"]["budget_tokens"], 1024);
    assert_eq!(losses, ["thinking.budget_tokens"]);
}

#[test]
fn sampling_that_the_api_refuses_is_told_of() {
    let raw = |json: &'static str| Raw::parse(json.as_bytes()).ok();
    let mut conversation = spoken(vec![user("a")]);
    let sampling = &mut conversation.sampling;
    (sampling.temperature, sampling.top_p) = (raw("1.7"), raw("0.5"));
    sampling.stop = vec![" ".into(), "x".into()];
    (sampling.seed, sampling.logprobs) = (raw("7"), raw("false"));
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(
        (&body["temperature"], &body["top_p"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(body["stop_sequences"], json!(["x"]));
    assert_eq!(losses, ["stop", "temperature", "top_p", "seed"]);
    conversation.thinking = Some(Thinking {
        adaptive: true,
        ..Thinking::default()
    });
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["temperature"], Value::Null);
    assert_eq!(losses, ["stop", "temperature", "top_p", "seed"]);
    conversation.sampling.n = raw("2");
    assert_eq!(
        refused(write(&conversation)),
        ("untranslatable", Some("n".into()))
    );
}

#[test]
fn any_json_object_cannot_be_demanded() {
    let mut conversation = spoken(vec![user("a")]);
    conversation.format = Format::Json;
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["output_config"], Value::Null);
    assert_eq!(losses, ["response_format"]);
}

#[test]
fn only_thoughts_that_anthropics_models_sealed_go_back_to_them() {
    let thought = |family| {
        Part::Reasoning(Reasoning {
            text: Some("hm".into()),
            signature: Some(Signature {
                family,
                data: "c2ln".into(),
            }),
            ..Reasoning::default()
        })
    };
    let parts = vec![thought("google"), thought("anthropic"), Part::text("b")];
    let (body, losses) = write(&spoken(vec![user("a"), (Role::Assistant, parts)])).unwrap();
    let content = json!([
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "text", "text": "b"},
    ]);
    assert_eq!(body["messages"][1]["content"], content);
    assert_eq!(losses, ["messages[1].content.reasoning"]);
}

#[test]
fn what_seals_a_call_comes_back_to_it() {
    let (conversation, _) = read(&said(&json!([{"role": "assistant", "content": [
        {"type": "tool_use", "id": "a", "name": "add", "input": {}},
        {"type": "redacted_thinking", "data": "portcullis.call.portcullis.google.c2ln"},
        {"type": "tool_use", "id": "b", "name": "add", "input": {}},
    ]}])))
    .unwrap();
    let calls = conversation.turns[0].parts.iter().map(|part| match part {
        Part::ToolCall(call) => call
            .signature
            .as_ref()
            .map(|seal| (seal.family, seal.data.plain())),
        other => panic!("{other:?}"),
    });
    let calls: Vec<_> = calls.collect();
    assert_eq!(calls, [Some(("google", "c2ln".into())), None]);
}

#[test]
fn what_the_model_is_to_begin_with_has_no_white_space_at_its_end() {
    let (body, losses) = write(&spoken(vec![
        user("a"),
        (Role::Assistant, vec![Part::text("the answer is: \n")]),
    ]))
    .unwrap();
    assert_eq!(body["messages"][1]["content"][0]["text"], "the answer is:");
    assert_eq!(losses, ["messages[1].content"]);
}

fn shown(
    kind: MediaKind,
    media_type: &'static str,
    source: Source<'static>,
) -> Conversation<'static> {
    let media = Media {
        kind,
        media_type: Some(media_type.into()),
        source,
        name: None,
        detail: Some("high".into()),
        cache: None,
    };
    spoken(vec![(Role::User, vec![Part::Media(media)])])
}

#[test]
fn media_goes_as_the_api_takes_it_or_is_refused() {
    let image = shown(MediaKind::Image, "image/jpg", Source::Base64("AA==".into()));
    let (body, losses) = write(&image).unwrap();
    let source = json!({"type": "base64", "media_type": "image/jpeg", "data": "AA=="});
    assert_eq!(body["messages"][0]["content"][0]["source"], source);
    assert_eq!(losses, ["messages[0].content.detail"]);
    let words = shown(
        MediaKind::Document,
        "text/csv",
        Source::Base64("YSxi".into()),
    );
    let source = json!({"type": "text", "media_type": "text/plain", "data": "a,b"});
    assert_eq!(
        write(&words).unwrap().0["messages"][0]["content"][0]["source"],
        source
    );
    for refusal in [
        shown(MediaKind::Audio, "audio/wav", Source::Base64("AA==".into())),
        shown(
            MediaKind::Video,
            "video/mp4",
            Source::Url("https://a.example".into()),
        ),
        shown(MediaKind::Image, "image/bmp", Source::Base64("AA==".into())),
        shown(
            MediaKind::Document,
            "text/plain",
            Source::Base64("/w==".into()),
        ),
        shown(
            MediaKind::Document,
            "application/zip",
            Source::Base64("AA==".into()),
        ),
        shown(MediaKind::Image, "image/png", Source::File("file-1".into())),
    ] {
        let refusal = refused(write(&refusal));
        assert_eq!(
            refusal,
            ("untranslatable", Some("messages[0].content".into()))
        );
    }
}

#[test]
fn what_only_anthropics_models_know_is_refused_by_name() {
    for (body, field) in [
        (
            asking(&json!({"tools": [{"type": "web_search_20260318", "name": "web_search"}]})),
            "tools[0]",
        ),
        (
            asking(&json!({"tools": [{"type": "bash_20250124", "name": "bash"}]})),
            "tools[0]",
        ),
        (
            asking(&json!({"mcp_servers": [{"type": "url", "url": "https://a.example"}]})),
            "mcp_servers",
        ),
        (
            said(
                &json!([{"role": "assistant", "content": [{"type": "server_tool_use", "id": "a"}]}]),
            ),
            "messages[0].content[0]",
        ),
        (
            said(
                &json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a",
                "content": [{"type": "tool_reference", "tool_name": "t"}]}]}]),
            ),
            "messages[0].content[0].content[0]",
        ),
    ] {
        let e = read(&body).unwrap_err();
        assert_eq!((e.code(), e.at_param()), (&UNTRANSLATABLE, Some(field)));
    }
}

#[test]
fn what_has_no_place_elsewhere_is_listed_and_what_says_nothing_is_not() {
    let (_, losses) = read(&json!({
        "model": "m", "max_tokens": 1, "container": "c", "speed": null, "mcp_servers": [],
        "context_management": {"edits": [1]}, "metadata": {"user_id": "u", "other": 1},
        "messages": [{"role": "user", "id": 5, "content": [
            {"type": "text", "text": "a", "citations": null, "odd": 1},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"},
             "context": "c", "citations": {"enabled": true}},
        ]}],
        "tools": [{"name": "t", "input_schema": {}, "defer_loading": true}],
        "output_config": {"task_budget": 5}, "tool_choice": {"type": "auto", "more": true},
    }))
    .unwrap();
    let wanted = [
        "container",
        "context_management",
        "metadata.other",
        "messages[0].id",
        "messages[0].content[0].odd",
        "messages[0].content[1].citations",
        "messages[0].content[1].context",
        "output_config.task_budget",
        "tool_choice.more",
        "tools[0].defer_loading",
    ];
    let mut found = fields(&losses);
    found.sort();
    let mut wanted = wanted.map(str::to_owned);
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_wrong_is_refused_with_its_field() {
    for (body, field) in [
        (asking(&json!({"messages": "hi"})), "messages"),
        (said(&json!(["hi"])), "messages[0]"),
        (
            said(&json!([{"role": "tool", "content": "a"}])),
            "messages[0].role",
        ),
        (said(&json!([{"role": "user"}])), "messages[0].content"),
        (
            said(&json!([{"role": "user", "content": 5}])),
            "messages[0].content",
        ),
        (
            said(&json!([{"role": "user", "content": [{"type": "text"}]}])),
            "messages[0].content[0].text",
        ),
        (
            said(&json!([{"role": "user", "content": [{}]}])),
            "messages[0].content[0].type",
        ),
        (
            said(
                &json!([{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]),
            ),
            "messages[0].content[0].source.type",
        ),
        (
            said(
                &json!([{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "t", "input": []}]}]),
            ),
            "messages[0].content[0].input",
        ),
        (asking(&json!({"tools": {}})), "tools"),
        (asking(&json!({"tools": [{"name": 5}]})), "tools[0].name"),
        (
            asking(&json!({"tool_choice": {"type": "tool"}})),
            "tool_choice.name",
        ),
        (
            asking(&json!({"tool_choice": {"type": "some"}})),
            "tool_choice.type",
        ),
        (
            asking(&json!({"thinking": {"type": "hard"}})),
            "thinking.type",
        ),
        (asking(&json!({"temperature": "hot"})), "temperature"),
        (
            asking(&json!({"output_config": {"effort": "vast"}})),
            "output_config.effort",
        ),
        (
            asking(&json!({"output_config": {"format": {"type": "json_schema"}}})),
            "output_config.format",
        ),
        (
            asking(&json!({"cache_control": {"type": "ephemeral", "ttl": "2h"}})),
            "cache_control.ttl",
        ),
    ] {
        let e = read(&body).unwrap_err();
        assert_eq!(
            (e.code(), e.at_param()),
            (&codes::INVALID_FIELD, Some(field))
        );
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["", "[]", "5", "{", "{}{}"] {
        let read = MessagesWire.read_request(head(), body.as_bytes(), &mut Losses::default());
        let code = read.unwrap_err().code().name;
        assert!(["invalid_field", "body_not_json"].contains(&code), "{body}");
    }
}

#[test]
fn names_of_speakers_and_facts_are_told_of() {
    let mut conversation = spoken(vec![user("a")]);
    conversation.turns[0].name = Some(Text::from("Ann"));
    conversation.metadata.cache_key = Some("k".into());
    conversation.metadata.tier = Some("flex".into());
    let (_, losses) = write(&conversation).unwrap();
    assert_eq!(
        losses,
        ["messages[0].name", "prompt_cache_key", "service_tier"]
    );
}
