//! Messages and what is in them.

use serde_json::{Value, json};

use super::{again, fields, reading};
use crate::codes::UNTRANSLATABLE;
use crate::dialect::openai::media;
use crate::translate::{
    Arguments, Conversation, Losses, MediaKind, Part, Reasoning, Role, Signature, Source, Target,
    Text, ToolCall, ToolResult, Turn, Wire,
};

fn talk(messages: &Value) -> Value {
    json!({"model": "m", "messages": messages})
}

#[test]
fn system_and_developer_texts_stay_where_they_stand() {
    let messages = json!([
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": "c", "name": "Ann"},
        {"role": "system", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "e"}, {"type": "text", "text": "f"}]},
    ]);
    let (written, lost) = again(&talk(&messages)).unwrap();
    assert_eq!(written["messages"], messages);
    assert!(lost.is_empty());
}

#[test]
fn images_files_and_sounds_come_through_with_data_urls_split() {
    let content = json!([
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
    ]);
    let body = talk(&json!([{"role": "user", "content": content}]));
    let (written, lost) = again(&body).unwrap();
    assert_eq!(written["messages"][0]["content"], content);
    assert!(lost.is_empty());
    let split = reading(&body, |conversation, _| {
        let media = conversation.turns[0]
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Media(media) => Some(media.clone()),
                _ => None,
            });
        let image = media.into_iter().next().unwrap();
        let Source::Base64(data) = image.source else {
            return false;
        };
        image.media_type.unwrap().is("image/gif") && data.is("R0lG")
    });
    assert!(split.unwrap());
}

#[test]
fn an_escaped_data_url_is_split_as_well() {
    let body = br#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png;base64,AA\/B"}}]}]}"#;
    let head = http::Request::new(()).into_parts().0;
    let mut losses = Losses::default();
    let read = super::ChatWire
        .read_request(&head, body, &mut losses)
        .unwrap();
    let Part::Media(media) = &read.turns[0].parts[0] else {
        panic!("{:?}", read.turns);
    };
    assert!(matches!(&media.source, Source::Base64(data) if data.is("AA/B")));
}

#[test]
fn what_a_message_has_of_its_own_is_noted_by_its_place() {
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "b", "annotations": [{"type": "url_citation"}]},
        {"role": "user", "content": "c", "weight": 1},
    ]);
    let (_, lost) = again(&talk(&messages)).unwrap();
    assert_eq!(
        lost,
        [
            "messages[0].content[0].cache_control",
            "messages[1].annotations",
            "messages[2].weight"
        ]
    );
}

#[test]
fn parts_of_unknown_types_and_answers_in_sound_are_refused_by_their_place() {
    for (message, field) in [
        (
            json!({"role": "user", "content": [{"type": "hologram"}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"role": "assistant", "content": null, "audio": {"id": "a"}}),
            "messages[0].audio",
        ),
        (
            json!({"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]}),
            "messages[0].tool_calls",
        ),
    ] {
        let e = again(&talk(&json!([message]))).unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE);
        assert_eq!(e.at_param(), Some(field));
    }
}

#[test]
fn tool_messages_in_any_order_answer_the_calls_before_them() {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"a\":1.0}"}});
    let messages = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "so", "tool_calls": [call("1", "x"), call("2", "y")]},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "user", "content": "go on"},
    ]);
    let (written, lost) = again(&talk(&messages)).unwrap();
    let mut sorted = messages;
    sorted.as_array_mut().unwrap().swap(2, 3);
    assert_eq!(written["messages"], sorted);
    assert!(lost.is_empty());
}

#[test]
fn a_missing_result_a_duplicate_id_and_an_unknown_id_are_a_clean_400() {
    let calls = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "x", "arguments": ""}},
    ]});
    let answer = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": ""});
    let user = json!({"role": "user", "content": "?"});
    for messages in [
        json!([user, calls, user]),
        json!([user, calls, answer("1"), answer("1")]),
        json!([user, calls, answer("2")]),
        json!([user, answer("1")]),
    ] {
        let e = again(&talk(&messages)).unwrap_err();
        assert_eq!(e.code().name, "invalid_field");
        assert!(e.at_param().unwrap().starts_with("messages["));
    }
}

#[test]
fn empty_arguments_become_an_object_and_broken_ones_go_on_as_they_are() {
    for (given, written) in [
        ("", "{}"),
        ("{\"a\":", "{\"a\":"),
        ("{\"n\":1.0}", "{\"n\":1.0}"),
    ] {
        let messages = json!([
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "x", "arguments": given}},
            ]},
            {"role": "tool", "tool_call_id": "1", "content": ""},
        ]);
        let (again, _) = again(&talk(&messages)).unwrap();
        let call = &again["messages"][0]["tool_calls"][0]["function"];
        assert_eq!(call["arguments"], written);
    }
}

/// What chat completions make of the turns of another dialect.
fn written(turns: Vec<Turn<'static>>) -> (Value, Vec<String>) {
    let conversation = Conversation {
        turns,
        ..Conversation::default()
    };
    let mut losses = Losses::default();
    let target = Target::new("m");
    let written = super::ChatWire
        .write_request(&conversation, &target, &mut losses)
        .unwrap();
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    (body["messages"].clone(), fields(&losses))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn {
        role,
        parts,
        name: None,
        at: 3,
    }
}

fn call(id: String, name: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: Some(id.into()),
        name: name.into(),
        arguments: Arguments::Object(br#"{"big":12345678901234567890}"#.as_slice().into()),
        signature: None,
        cache: None,
    })
}

fn result(id: String, parts: Vec<Part<'static>>, error: bool) -> Part<'static> {
    Part::ToolResult(ToolResult {
        id: Some(id.into()),
        name: None,
        parts,
        json: None,
        error,
        cache: None,
    })
}

#[test]
fn images_in_tool_results_stand_in_a_message_after_them() {
    let image = media::at("data:image/png;base64,AA".into(), MediaKind::Image, "");
    let image = Part::Media(image.unwrap());
    let parts = vec![Part::text("see"), image];
    let (messages, lost) = written(vec![turn(
        Role::User,
        vec![result("a".into(), parts, true), Part::text("so?")],
    )]);
    assert_eq!(
        messages[0],
        json!({"role": "tool", "tool_call_id": "a", "content": "see"})
    );
    assert_eq!(messages[1]["content"][0]["type"], "image_url");
    assert_eq!(messages[1]["content"][1]["text"], "so?");
    assert_eq!(lost, ["messages[3].is_error", "messages[3].media"]);
}

#[test]
fn ids_and_names_openai_does_not_take_are_written_otherwise_and_alike() {
    let id = "x".repeat(64);
    let (messages, _) = written(vec![
        turn(Role::Assistant, vec![call(id.clone(), "look up/all")]),
        turn(Role::User, vec![result(id, vec![Part::text("ok")], false)]),
    ]);
    let call = &messages[0]["tool_calls"][0];
    let short = call["id"].as_str().unwrap();
    assert_eq!(short.len(), 40);
    assert_eq!(messages[1]["tool_call_id"], short);
    let name = call["function"]["name"].as_str().unwrap();
    assert!(
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    );
    assert_eq!(
        call["function"]["arguments"],
        r#"{"big":12345678901234567890}"#
    );
}

#[test]
fn sealed_thoughts_are_left_out_and_noted_and_open_ones_go_on() {
    let sealed = Reasoning {
        text: Some("hm".into()),
        signature: Some(Signature {
            family: "anthropic",
            data: "sig".into(),
        }),
        ..Reasoning::default()
    };
    let open = Reasoning {
        text: Some("hm".into()),
        ..Reasoning::default()
    };
    let with = |one| {
        written(vec![turn(
            Role::Assistant,
            vec![Part::Reasoning(one), Part::text("a")],
        )])
    };
    let (messages, lost) = with(sealed);
    assert_eq!(messages[0], json!({"role": "assistant", "content": "a"}));
    assert_eq!(lost, ["messages[3].reasoning"]);
    let (messages, lost) = with(open);
    assert_eq!(messages[0]["reasoning_content"], "hm");
    assert!(lost.is_empty());
}

#[test]
fn a_signature_comes_back_unchanged_from_a_client_that_echoes_messages() {
    let message = json!({"role": "assistant", "content": "a", "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1"},
            {"type": "reasoning.encrypted", "index": 1, "data": "ZGF0YQ==", "format": "anthropic-claude-v1"},
        ],
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "x", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "Z29v"}}}],
    });
    let messages = json!([message, {"role": "tool", "tool_call_id": "1", "content": ""}]);
    let seen = reading(&talk(&messages), |conversation, _| {
        let mut seen = Vec::new();
        for part in &conversation.turns[0].parts {
            match part {
                Part::Reasoning(one) => {
                    let seal = one.signature.as_ref().unwrap();
                    let text = one.text.as_ref().map(|text| text.plain().into_owned());
                    seen.push((seal.family, seal.data.plain().into_owned(), text));
                }
                Part::ToolCall(call) => {
                    let seal = call.signature.as_ref().unwrap();
                    seen.push((seal.family, seal.data.plain().into_owned(), None));
                }
                _ => {}
            }
        }
        seen
    });
    assert_eq!(
        seen.unwrap(),
        [
            ("anthropic", "c2ln".to_owned(), Some("hm".to_owned())),
            ("anthropic", "ZGF0YQ==".to_owned(), None),
            ("google", "Z29v".to_owned(), None),
        ]
    );
}

#[test]
fn a_refusal_stays_one() {
    let messages = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": null, "refusal": "no"},
    ]);
    let (written, lost) = again(&talk(&messages)).unwrap();
    assert_eq!(written["messages"], messages);
    assert!(lost.is_empty());
    let mixed = json!([{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]);
    let read = reading(
        &talk(&mixed),
        |c, _| matches!(&c.turns[0].parts[..], [Part::Refusal(text)] if *text == Text::Json(b"no")),
    );
    assert!(read.unwrap());
}
