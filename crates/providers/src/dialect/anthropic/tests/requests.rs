//! Requests, from this dialect to the neutral form and back.

use http::request;
use portcullis_core::error::Error;
use serde_json::{Value, json};

use crate::dialect::anthropic::MessagesWire;
use crate::translate::{
    Arguments, CacheMark, Conversation, Losses, Part, Role, Target, Tool, ToolCall, Turn, Wire,
    tools,
};

pub(super) fn head() -> &'static request::Parts {
    Box::leak(Box::new(http::Request::new(()).into_parts().0))
}

pub(super) fn read(body: &Value) -> Result<(Conversation<'static>, Losses), Error> {
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    let mut losses = Losses::default();
    let conversation = MessagesWire.read_request(head(), body.as_bytes(), &mut losses)?;
    Ok((conversation, losses))
}

pub(super) fn write(conversation: &Conversation<'_>) -> Result<(Value, Vec<String>), Error> {
    let mut losses = Losses::default();
    let written = MessagesWire.write_request(conversation, &Target::new("m"), &mut losses)?;
    let body = serde_json::from_slice(&written.body).unwrap();
    Ok((body, fields(&losses)))
}

pub(super) fn fields(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| loss.field.to_string()).collect()
}

/// What a request becomes on its way through the neutral form, and what it loses on it.
pub(super) fn through(body: &Value) -> Result<(Value, Vec<String>), Error> {
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

pub(super) fn asking(more: &Value) -> Value {
    let mut body = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
    });
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

pub(super) fn said(turns: &Value) -> Value {
    asking(&json!({ "messages": turns }))
}

pub(super) fn with_tools(more: &Value) -> Value {
    let mut body = asking(&json!({"tools": [
        {"name": "add", "description": "adds", "input_schema": {"type": "object", "properties": {"a": {"type": "number"}}}},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}, "strict": true},
    ]}));
    let members = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(members);
    body
}

pub(super) fn spoken(turns: Vec<(Role, Vec<Part<'static>>)>) -> Conversation<'static> {
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

pub(super) fn user(text: &'static str) -> (Role, Vec<Part<'static>>) {
    (Role::User, vec![Part::text(text)])
}

pub(super) fn refused(done: Result<(Value, Vec<String>), Error>) -> (&'static str, Option<String>) {
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
