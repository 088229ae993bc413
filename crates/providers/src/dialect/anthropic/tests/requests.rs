//! Requests, from this dialect to the neutral form and back.

use http::request;
use portcullis_core::error::{Error, codes};
use serde_json::{Value, json};

use crate::codes::UNTRANSLATABLE;
use crate::dialect::anthropic::MessagesWire;
use crate::translate::{
    Arguments, CacheMark, Conversation, Effort, Format, Losses, Media, MediaKind, Part, Reasoning,
    Role, Signature, Source, Target, Text, Thinking, Tool, ToolCall, ToolChoice, Turn, Wire, tools,
};

fn head() -> &'static request::Parts {
    Box::leak(Box::new(http::Request::new(()).into_parts().0))
}

fn read(body: &Value) -> Result<(Conversation<'static>, Losses), Error> {
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    let mut losses = Losses::default();
    let conversation = MessagesWire.read_request(head(), body.as_bytes(), &mut losses)?;
    Ok((conversation, losses))
}

fn write(conversation: &Conversation<'_>) -> Result<(Value, Vec<String>), Error> {
    let mut losses = Losses::default();
    let written = MessagesWire.write_request(conversation, &Target::new("m"), &mut losses)?;
    let body = serde_json::from_slice(&written.body).unwrap();
    Ok((body, fields(&losses)))
}

fn fields(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| loss.field.to_string()).collect()
}

/// What a request becomes on its way through the neutral form, and what it loses on it.
fn through(body: &Value) -> Result<(Value, Vec<String>), Error> {
    let (mut conversation, losses) = read(body)?;
    tools::settle(&mut conversation)?;
    let (body, more) = write(&conversation)?;
    Ok((body, [fields(&losses), more].concat()))
}

/// A request that comes out as it went in.
fn unchanged(body: &Value) {
    let (again, losses) = through(body).unwrap();
    assert_eq!(&again, body);
    assert_eq!(losses, Vec::<String>::new());
}

fn asking(more: &Value) -> Value {
    let mut body = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
    });
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

fn said(turns: &Value) -> Value {
    asking(&json!({ "messages": turns }))
}

fn with_tools(more: &Value) -> Value {
    let mut body = asking(&json!({"tools": [
        {"name": "add", "description": "adds", "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}}},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}, "strict": true},
    ]}));
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

fn spoken(turns: Vec<(Role, Vec<Part<'static>>)>) -> Conversation<'static> {
    let turns = (0..).zip(turns).map(|(at, (role, parts))| Turn {
        role,
        parts,
        name: None,
        at,
    });
    Conversation {
        turns: turns.collect(),
        ..Conversation::default()
    }
}

fn user(text: &'static str) -> (Role, Vec<Part<'static>>) {
    (Role::User, vec![Part::text(text)])
}

fn refused(done: Result<(Value, Vec<String>), Error>) -> (&'static str, Option<String>) {
    let e = done.unwrap_err();
    (e.code().name, e.at_param().map(str::to_owned))
}

#[test]
fn what_both_dialects_can_say_is_kept() {
    unchanged(&asking(&json!({
        "system": "be brief", "temperature": 0.50, "top_k": 3, "stop_sequences": ["a", "b"],
        "stream": true, "metadata": {"user_id": "u"}, "service_tier": "standard_only",
    })));
    unchanged(&asking(&json!({
        "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    })));
    unchanged(&asking(
        &json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ));
    unchanged(&asking(&json!({"thinking": {"type": "disabled"}})));
    for choice in ["auto", "any", "none"] {
        unchanged(&with_tools(&json!({"tool_choice": {"type": choice}})));
    }
    unchanged(&with_tools(&json!({
        "tool_choice": {"type": "tool", "name": "add", "disable_parallel_tool_use": true},
    })));
}

#[test]
fn content_of_every_kind_is_kept() {
    unchanged(&said(&json!([
        {"role": "user", "content": [
            {"type": "text", "text": "see \u{1f600}\n\"this\""},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "t"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="},
            {"type": "text", "text": "let me see", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 12345678901234567890_u64, "b": 1.0}},
            {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                {"type": "text", "text": "no clock"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGOA=="}},
            ]},
            {"type": "text", "text": "well?"},
        ]},
    ])));
}

#[test]
fn numbers_and_arguments_stay_as_they_were_written() {
    let body = r#"{"model":"m","max_tokens":1.0e1,"temperature":0.10,"messages":[{"role":"user","content":"\u0041"},
        {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"t","input":{"n": 10000000000000000000001, "x":1.0 }}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}]}"#;
    let mut losses = Losses::default();
    let read = MessagesWire.read_request(head(), body.as_bytes(), &mut losses);
    let written = MessagesWire.write_request(&read.unwrap(), &Target::new("m"), &mut losses);
    let written = String::from_utf8(written.unwrap().body.to_vec()).unwrap();
    for kept in [
        r#""max_tokens":1.0e1"#,
        r#""temperature":0.10"#,
        r#""content":"\u0041""#,
        r#"{"n": 10000000000000000000001, "x":1.0 }"#,
    ] {
        assert!(written.contains(kept), "{kept}: {written}");
    }
}

#[test]
fn cache_marks_are_kept_where_they_stand() {
    let mark = json!({"type": "ephemeral"});
    let hour = json!({"type": "ephemeral", "ttl": "1h"});
    unchanged(&json!({
        "model": "m", "max_tokens": 9,
        "tools": [{"name": "now", "input_schema": {"type": "object", "properties": {}}, "cache_control": hour}],
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "5m"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": mark}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "now", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1", "cache_control": mark}]},
        ],
    }));
}

#[test]
fn a_mark_on_top_stands_for_one_on_the_last_block() {
    let (body, losses) =
        through(&asking(&json!({"cache_control": {"type": "ephemeral"}}))).unwrap();
    let block = json!([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]);
    assert_eq!(body["messages"][0]["content"], block);
    assert!(losses.is_empty());
}

#[test]
fn a_fifth_cache_mark_is_left_out_and_told_of() {
    let marked = || Part::Text {
        text: "a".into(),
        citations: None,
        cache: Some(CacheMark::Default),
    };
    let parts = std::iter::repeat_with(marked).take(5).collect();
    let (body, losses) = write(&spoken(vec![(Role::User, parts)])).unwrap();
    let blocks = body["messages"][0]["content"].as_array().unwrap();
    let marks = blocks
        .iter()
        .filter(|block| !block["cache_control"].is_null());
    assert_eq!(marks.count(), 4);
    assert_eq!(losses, ["messages[0].content"]);
}

#[test]
fn leading_system_texts_are_joined_in_order_and_later_ones_are_not_hoisted() {
    let (body, losses) = write(&spoken(vec![
        (Role::System, vec![Part::text("a")]),
        (Role::Developer, vec![Part::text("b")]),
        user("c"),
        (Role::System, vec![Part::text("d")]),
        (Role::Assistant, vec![Part::text("e")]),
        (Role::System, vec![Part::text("f")]),
    ]))
    .unwrap();
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(body["system"], json!([text("a"), text("b")]));
    let wanted = json!([
        {"role": "user", "content": [text("c"), text("<system>\nd\n</system>")]},
        {"role": "assistant", "content": "e"},
        {"role": "user", "content": [text("<system>\nf\n</system>")]},
    ]);
    assert_eq!(body["messages"], wanted);
    assert_eq!(losses, ["messages[3].role", "messages[5].role"]);
}

#[test]
fn system_turns_of_the_newer_version_are_read_in_their_place() {
    let (conversation, losses) = read(&said(&json!([
        {"role": "user", "content": "a"},
        {"role": "system", "content": [{"type": "text", "text": "b"}]},
    ])))
    .unwrap();
    let roles: Vec<_> = conversation.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System]);
    assert!(losses.is_empty());
}

#[test]
fn neighbours_of_one_role_are_merged_and_blank_texts_left_out() {
    let (body, losses) = write(&spoken(vec![
        user("a"),
        (Role::User, vec![Part::text(""), Part::text("b")]),
        (Role::Assistant, vec![Part::text(" \n\t")]),
        user("c"),
    ]))
    .unwrap();
    let text = |text: &str| json!({"type": "text", "text": text});
    let wanted = json!([{"role": "user", "content": [text("a"), text("b"), text("c")]}]);
    assert_eq!(body["messages"], wanted);
    assert_eq!(losses, ["messages[2].content"]);
    let nothing = write(&spoken(vec![user("")]));
    assert_eq!(refused(nothing), ("invalid_field", Some("messages".into())));
}

fn calling(arguments: Arguments<'static>, id: &'static str) -> Conversation<'static> {
    let call = ToolCall {
        id: Some(id.into()),
        name: "add".into(),
        arguments,
        signature: None,
        cache: None,
    };
    spoken(vec![
        user("a"),
        (Role::Assistant, vec![Part::ToolCall(call)]),
    ])
}

#[test]
fn arguments_that_are_no_object_are_handed_on_inside_of_one() {
    for (arguments, input, lost) in [
        ("", json!({}), false),
        (r#"{"a":1}"#, json!({"a": 1}), false),
        (r#"{"a":"#, json!({"INVALID_JSON": "{\"a\":"}), true),
        ("[1]", json!({"INVALID_JSON": "[1]"}), true),
    ] {
        let (body, losses) = write(&calling(Arguments::String(arguments.into()), "c")).unwrap();
        let block = &body["messages"][1]["content"][0];
        assert_eq!(block["input"], input, "{arguments}");
        assert_eq!(!losses.is_empty(), lost, "{arguments}");
    }
}

#[test]
fn ids_and_names_that_do_not_fit_are_written_so_that_they_fit_and_names_come_back() {
    let mut conversation = calling(Arguments::String("".into()), "functions.add:0");
    let Part::ToolCall(call) = &mut conversation.turns[1].parts[0] else {
        panic!("it is a call");
    };
    call.name = "math.add".into();
    conversation.tools.push(Tool {
        name: "math.add".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    });
    let mut losses = Losses::default();
    let written = MessagesWire.write_request(&conversation, &Target::new("m"), &mut losses);
    let written = written.unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    let name = body["tools"][0]["name"].as_str().unwrap();
    assert_eq!(name, body["messages"][1]["content"][0]["name"]);
    let fits = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    assert!(fits(name) && fits(body["messages"][1]["content"][0]["id"].as_str().unwrap()));
    assert!(written.names.original(&name.into()).is("math.add"));
    let schema = json!({"type": "object", "properties": {}});
    assert_eq!(body["tools"][0]["input_schema"], schema);
}

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
        budget: Some(portcullis_core::json::Raw::parse(b"10000").unwrap()),
        ..Thinking::default()
    });
    assert_eq!(write(&conversation).unwrap().0["max_tokens"], 18192);
    conversation.thinking = Some(Thinking {
        budget: Some(portcullis_core::json::Raw::parse(b"100").unwrap()),
        ..Thinking::default()
    });
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["thinking"]["budget_tokens"], 1024);
    assert_eq!(losses, ["thinking.budget_tokens"]);
}

#[test]
fn sampling_that_the_api_refuses_is_told_of() {
    let raw = |json: &'static str| portcullis_core::json::Raw::parse(json.as_bytes()).ok();
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
