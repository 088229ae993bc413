//! Requests, to the neutral form and back.

use http::Request;
use portcullis_core::error::Error;
use portcullis_core::json::Raw;
use serde_json::{Value, json};

use crate::codes::UNTRANSLATABLE;
use crate::dialect::cohere::ChatWire;
use crate::translate::{
    Conversation, Effort, Losses, Part, Role, Target, Thinking, ToolChoice, ToolResult, Turn, Wire,
    tools,
};

fn read(body: &Value) -> Result<(Conversation<'static>, Losses), Error> {
    let body: &'static str = Box::leak(body.to_string().into_boxed_str());
    let head = Box::leak(Box::new(Request::new(()).into_parts().0));
    let mut losses = Losses::default();
    let conversation = ChatWire.read_request(head, body.as_bytes(), &mut losses)?;
    Ok((conversation, losses))
}

fn write(conversation: &Conversation<'_>) -> Result<(Value, Vec<String>), Error> {
    let mut losses = Losses::default();
    let written = ChatWire.write_request(conversation, &Target::new("m"), &mut losses)?;
    assert_eq!(written.path, "/chat");
    Ok((
        serde_json::from_slice(&written.body).unwrap(),
        fields(&losses),
    ))
}

fn fields(losses: &Losses) -> Vec<String> {
    losses.iter().map(|loss| loss.field.to_string()).collect()
}

fn unchanged(body: &Value) {
    let (mut conversation, losses) = read(body).unwrap();
    tools::settle(&mut conversation).unwrap();
    let (again, more) = write(&conversation).unwrap();
    assert_eq!(&again, body);
    assert_eq!((fields(&losses), more), (vec![], vec![]));
}

fn asking(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
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

#[test]
fn what_both_dialects_can_say_is_kept() {
    unchanged(&asking(&json!({
        "max_tokens": 5, "stop_sequences": ["a"], "temperature": 0.5, "seed": 7, "p": 0.75, "k": 3,
        "frequency_penalty": 0.1, "presence_penalty": 1, "stream": true,
        "thinking": {"type": "enabled", "token_budget": 100},
        "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
    })));
    unchanged(&asking(
        &json!({"thinking": {"type": "enabled"}, "response_format": {"type": "json_object"}}),
    ));
    unchanged(&asking(&json!({"thinking": {"type": "disabled"}})));
    let tool = json!({"type": "function", "function": {"name": "add", "description": "adds", "parameters": {"type": "object"}}});
    for choice in ["REQUIRED", "NONE"] {
        unchanged(&asking(
            &json!({"tools": [tool], "strict_tools": true, "tool_choice": choice}),
        ));
    }
    unchanged(&asking(&json!({"tools": [tool]})));
}

#[test]
fn messages_of_every_role_are_kept() {
    unchanged(&asking(&json!({"messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        ]},
        {"role": "assistant", "tool_plan": "I will add", "content": [{"type": "thinking", "thinking": "hm"}], "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1.0}"}},
            {"id": "b", "type": "function", "function": {"name": "add", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}, {"type": "text", "text": "3"}]},
        {"role": "system", "content": "be briefer"},
        {"role": "assistant", "content": "so", "citations": [{"start": 0, "end": 2, "sources": []}]},
        {"role": "user", "content": "well?"},
    ]})));
}

#[test]
fn a_document_a_tool_answered_with_is_its_json() {
    let (conversation, losses) = read(&asking(
        &json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": [
        {"type": "document", "document": {"id": "d", "data": {"x": 1.0}}}]}]}),
    ))
    .unwrap();
    let [Part::ToolResult(ToolResult { parts, .. })] = conversation.turns[0].parts.as_slice()
    else {
        panic!("{conversation:?}");
    };
    assert!(matches!(parts.as_slice(), [Part::Text { text, .. }] if text.is(r#"{"x":1.0}"#)));
    assert_eq!(fields(&losses), ["messages[0].content[0].document.id"]);
}

#[test]
fn what_is_out_of_bounds_is_brought_in_and_told_of() {
    let raw = |json: &'static str| Raw::parse(json.as_bytes()).ok();
    let mut conversation = spoken(vec![(Role::User, vec![Part::text("a")])]);
    let sampling = &mut conversation.sampling;
    (sampling.top_p, sampling.top_k) = (raw("1"), raw("40"));
    (sampling.frequency_penalty, sampling.presence_penalty) = (raw("-1.5"), raw("1.5"));
    sampling.stop = vec!["x".into(); 6];
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!((&body["p"], &body["k"]), (&json!(0.99), &json!(40)));
    assert_eq!(
        (&body["frequency_penalty"], &body["presence_penalty"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(body["stop_sequences"].as_array().unwrap().len(), 5);
    assert_eq!(
        losses,
        ["stop", "top_p", "frequency_penalty", "presence_penalty"]
    );
}

#[test]
fn a_tool_is_named_by_leaving_the_others_out() {
    let tool = |name| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
    let mut conversation = read(&asking(&json!({"tools": [tool("add"), tool("now")]})))
        .unwrap()
        .0;
    conversation.tool_choice = Some(ToolChoice::Named(vec!["now".into()]));
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(
        (&body["tools"], &body["tool_choice"]),
        (&json!([tool("now")]), &json!("REQUIRED"))
    );
    assert_eq!(losses, ["tools[add]"]);
    conversation.tools.clear();
    assert_eq!(
        write(&conversation).unwrap_err().at_param(),
        Some("tool_choice")
    );
}

#[test]
fn effort_is_thinking_and_how_much_is_told_of() {
    let mut conversation = spoken(vec![(Role::User, vec![Part::text("a")])]);
    conversation.thinking = Some(Thinking {
        effort: Some(Effort::High),
        ..Thinking::default()
    });
    let (body, losses) = write(&conversation).unwrap();
    assert_eq!(body["thinking"], json!({"type": "enabled"}));
    assert_eq!(losses, ["reasoning_effort"]);
}

#[test]
fn what_has_no_place_elsewhere_is_listed_or_refused() {
    let (_, losses) = read(&asking(&json!({
        "safety_mode": "STRICT", "citation_options": {"mode": "FAST"}, "priority": 1, "logprobs": true, "documents": [],
        "messages": [{"role": "user", "content": "a", "odd": 1}],
    })))
    .unwrap();
    let wanted = [
        "citation_options",
        "logprobs",
        "messages[0].odd",
        "priority",
        "safety_mode",
    ];
    let mut found = fields(&losses);
    found.sort();
    assert_eq!(found, wanted);
    let e = read(&asking(&json!({"documents": ["a"]}))).unwrap_err();
    assert_eq!(
        (e.code(), e.at_param()),
        (&UNTRANSLATABLE, Some("documents"))
    );
}

#[test]
fn what_is_wrong_is_refused_with_its_field() {
    for (body, field) in [
        (asking(&json!({"messages": "a"})), "messages"),
        (
            asking(&json!({"messages": [{"role": "x", "content": "a"}]})),
            "messages[0].role",
        ),
        (
            asking(&json!({"messages": [{"role": "user"}]})),
            "messages[0].content",
        ),
        (
            asking(&json!({"messages": [{"role": "user", "content": 5}]})),
            "messages[0].content",
        ),
        (
            asking(&json!({"messages": [{"role": "user", "content": [{"type": "x"}]}]})),
            "messages[0].content[0].type",
        ),
        (
            asking(&json!({"messages": [{"role": "tool", "content": "a"}]})),
            "messages[0].tool_call_id",
        ),
        (
            asking(&json!({"messages": [{"role": "assistant", "tool_calls": 5}]})),
            "messages[0].tool_calls",
        ),
        (
            asking(&json!({"messages": [{"role": "assistant", "tool_calls": [{}]}]})),
            "messages[0].tool_calls[0].function.name",
        ),
        (asking(&json!({"tools": [{}]})), "tools[0].function.name"),
        (asking(&json!({"tool_choice": "auto"})), "tool_choice"),
        (asking(&json!({"k": "x"})), "k"),
        (asking(&json!({"thinking": {}})), "thinking.type"),
        (
            asking(&json!({"response_format": {"type": "x"}})),
            "response_format.type",
        ),
    ] {
        let e = read(&body).unwrap_err();
        assert_eq!(
            (e.code().name, e.at_param()),
            ("invalid_field", Some(field))
        );
    }
}
