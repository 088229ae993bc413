use portcullis_core::error::codes;
use serde_json::{Value, json};

use super::{again, fields, head};
use crate::codes::UNTRANSLATABLE;
use crate::dialect::bedrock::ConverseWire;
use crate::translate::*;

/// A request with all that other dialects know too.
fn full() -> Value {
    json!({
        "system": [{"text": "Be \"brief\"."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [
                {"text": "Look: \u{1f600}"},
                {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
                {"document": {"format": "pdf", "name": "Report (1)", "source": {"bytes": "JVBERi0="}}},
                {"document": {"format": "txt", "name": "notes", "source": {"text": "a\nb"}}},
                {"cachePoint": {"type": "default"}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "cmVk"}},
                {"text": "I look."},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "look_up", "input": {"n": 1.0, "big": 12_345_678_901_234_567_890_u64}}},
                {"toolUse": {"toolUseId": "tooluse_2", "name": "look_up", "input": {}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "tooluse_1", "content": [
                    {"text": "found"}, {"image": {"format": "gif", "source": {"bytes": "R0lGOD=="}}},
                ]}},
                {"toolResult": {"toolUseId": "tooluse_2", "content": [{"text": "no"}], "status": "error"}},
                {"text": "And?"},
            ]},
        ],
        "inferenceConfig": {"maxTokens": 100, "temperature": 0.50, "topP": 0.9, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "look_up", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}, "strict": true}},
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"tool": {"name": "look_up"}},
        },
        "outputConfig": {
            "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                "schema": "{\"type\":\"object\",\"title\":\"ü\"}", "name": "answer", "description": "It.",
            }}},
            "effort": "high",
        },
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 5},
        "requestMetadata": {"team": "a b"},
        "serviceTier": {"type": "flex"},
    })
}

#[test]
fn what_other_dialects_know_survives_reading_and_writing() {
    let (written, lost) = again(&full());
    assert_eq!(written, full());
    assert_eq!(lost, [""; 0]);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let body = br#"{"messages":[{"role":"user","content":[{"text":"a"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"i","name":"t","input":{"a":1.0,"b":123456789012345678901234567890}}}]}],"inferenceConfig":{"temperature":0.50}}"#;
    let head = head("/model/m/converse");
    let mut losses = Losses::default();
    let read = ConverseWire.read_request(&head, body, &mut losses).unwrap();
    let written = ConverseWire
        .write_request(&read, &Target::new("m"), &mut losses)
        .unwrap();
    let text = String::from_utf8_lossy(&written.body);
    assert!(
        text.contains(r#"{"a":1.0,"b":123456789012345678901234567890}"#),
        "{text}"
    );
    assert!(text.contains("0.50"), "{text}");
}

#[test]
fn every_field_of_bedrocks_own_is_listed_when_it_does_not_go_on() {
    let mut body = full();
    body["guardrailConfig"] = json!({"guardrailIdentifier": "g"});
    body["performanceConfig"] = json!({"latency": "optimized"});
    body["additionalModelResponseFieldPaths"] = json!(["/stop_sequence"]);
    body["promptVariables"] = Value::Null;
    body["additionalModelRequestFields"]["anthropic_beta"] = json!(["x"]);
    body["messages"][0]["content"][2]["document"]["citations"] = json!({"enabled": true});
    body["messages"][0]["content"][0] =
        json!({"guardContent": {"text": {"text": "Look", "qualifiers": ["query"]}}});
    body["messages"][2]["content"][2] =
        json!({"searchResult": {"source": "s", "title": "t", "content": []}});
    body["inferenceConfig"]["new"] = json!(1);
    let (_, mut lost) = again(&body);
    lost.sort();
    assert_eq!(
        lost,
        [
            "additionalModelRequestFields.anthropic_beta",
            "additionalModelResponseFieldPaths",
            "guardrailConfig",
            "inferenceConfig.new",
            "messages[0].content[0].guardContent",
            "messages[0].content[2].document.citations",
            "messages[2].searchResult",
            "performanceConfig",
        ]
    );
}

#[test]
fn what_makes_no_sense_elsewhere_is_refused() {
    for (path, value) in [
        ("/promptVariables", json!({"a": {"text": "b"}})),
        (
            "/toolConfig/tools/0",
            json!({"systemTool": {"name": "nova_grounding"}}),
        ),
        (
            "/messages/0/content/1/image/source",
            json!({"s3Location": {"uri": "s3://b/k"}}),
        ),
        (
            "/messages/1/content/3/toolUse/type",
            json!("server_tool_use"),
        ),
    ] {
        let mut body = full();
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap();
        match parent.as_array_mut() {
            Some(list) => list[0] = value,
            None => parent[key] = value,
        }
        let body = body.to_string();
        let mut losses = Losses::default();
        let e = ConverseWire
            .read_request(&head("/model/m/converse"), body.as_bytes(), &mut losses)
            .unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE, "{path}");
        assert!(e.at_param().is_some(), "{path}");
    }
}

#[test]
fn what_is_malformed_is_refused_by_its_field() {
    let head = head("/model/m/converse");
    for (body, field) in [
        (r#"{"messages":5}"#, Some("messages")),
        (
            r#"{"messages":[{"role":"tool"}]}"#,
            Some("messages[0].role"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"text":5}]}]}"#,
            Some("messages[0].content[0].text"),
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"image":{"format":"png"}}]}]}"#,
            Some("messages[0].content[0].image.source"),
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":"5"}}"#,
            Some("inferenceConfig.maxTokens"),
        ),
        (
            r#"{"outputConfig":{"textFormat":{"structure":{"jsonSchema":{"schema":"{"}}}}}"#,
            Some("outputConfig.textFormat.structure.jsonSchema.schema"),
        ),
        (
            r#"{"toolConfig":{"tools":[{"toolSpec":{}}]}}"#,
            Some("toolConfig.tools[0].toolSpec.name"),
        ),
        ("{", None),
        ("{} {}", None),
        ("[]", Some("")),
    ] {
        let mut losses = Losses::default();
        let read = ConverseWire.read_request(&head, body.as_bytes(), &mut losses);
        let e = read.unwrap_err();
        assert_eq!(e.at_param(), field, "{body}");
        let code = if field.is_some() {
            &codes::INVALID_FIELD
        } else {
            &codes::BODY_NOT_JSON
        };
        assert_eq!(e.code(), code, "{body}");
    }
}

fn turn<'a>(role: Role, at: u32, parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn {
        role,
        parts,
        name: None,
        at,
    }
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    Part::ToolCall(ToolCall {
        id: Some(id.into()),
        name: name.into(),
        arguments: Arguments::String(arguments.into()),
        signature: None,
        cache: None,
    })
}

fn written(c: &Conversation<'_>) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let target = Target::new("anthropic.claude-x");
    let written = ConverseWire.write_request(c, &target, &mut losses).unwrap();
    let lost = fields(&losses).into_iter().map(str::to_owned).collect();
    (serde_json::from_slice(&written.body).unwrap(), lost)
}

#[test]
fn leading_system_texts_are_hoisted_in_order_and_later_ones_stay() {
    let c = Conversation {
        turns: vec![
            turn(Role::System, 0, vec![Part::text("one")]),
            turn(Role::Developer, 1, vec![Part::text("two")]),
            turn(Role::User, 2, vec![Part::text("hi"), Part::text("  ")]),
            turn(Role::System, 3, vec![Part::text("now in French")]),
            turn(Role::Assistant, 4, vec![Part::text("")]),
            turn(Role::User, 5, vec![Part::text("go on")]),
        ],
        ..Conversation::default()
    };
    let (body, lost) = written(&c);
    assert_eq!(body["system"], json!([{"text": "one"}, {"text": "two"}]));
    let content = json!([{"text": "hi"}, {"text": "now in French"}, {"text": "go on"}]);
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": content}])
    );
    assert_eq!(lost, ["messages[3].role"]);
}

#[test]
fn a_history_with_calls_declares_its_tools_even_if_none_are_given() {
    let c = Conversation {
        turns: vec![
            turn(Role::User, 0, vec![Part::text("hi")]),
            turn(Role::Assistant, 1, vec![call("a", "old tool", "")]),
        ],
        tool_choice: Some(ToolChoice::None),
        ..Conversation::default()
    };
    let (body, _) = written(&c);
    let tools = body["toolConfig"]["tools"].as_array().unwrap();
    let name = &tools[0]["toolSpec"]["name"];
    assert_eq!(tools.len(), 1);
    assert_eq!(*name, body["messages"][1]["content"][0]["toolUse"]["name"]);
    assert!(name.as_str().unwrap().starts_with("old_tool_"));
    assert_eq!(
        body["messages"][1]["content"][0]["toolUse"]["input"],
        json!({})
    );
    assert_eq!(body["toolConfig"].get("toolChoice"), None);
}

#[test]
fn a_choice_of_no_tool_leaves_the_tools_out_and_says_so() {
    let tool = |name| Tool {
        name: Text::from(name),
        description: None,
        parameters: None,
        strict: None,
        cache: None,
    };
    let mut c = Conversation {
        turns: vec![turn(Role::User, 0, vec![Part::text("hi")])],
        tools: vec![tool("a"), tool("b"), tool("c")],
        tool_choice: Some(ToolChoice::None),
        ..Conversation::default()
    };
    let (body, lost) = written(&c);
    assert_eq!(body.get("toolConfig"), None);
    assert_eq!(lost, ["tools"]);
    for (choice, wanted, count) in [
        (ToolChoice::Auto, json!({"auto": {}}), 3),
        (ToolChoice::Required, json!({"any": {}}), 3),
        (
            ToolChoice::Named(vec!["b".into()]),
            json!({"tool": {"name": "b"}}),
            3,
        ),
        (
            ToolChoice::Named(vec!["b".into(), "c".into()]),
            json!({"any": {}}),
            2,
        ),
    ] {
        c.tool_choice = Some(choice);
        let (body, _) = written(&c);
        assert_eq!(body["toolConfig"]["toolChoice"], wanted);
        assert_eq!(body["toolConfig"]["tools"].as_array().unwrap().len(), count);
    }
}

#[test]
fn ids_that_are_not_allowed_are_written_alike_in_call_and_result() {
    let long = "x".repeat(90);
    let result = Part::ToolResult(ToolResult {
        id: Some(long.as_str().into()),
        name: None,
        parts: vec![],
        json: None,
        error: false,
        cache: None,
    });
    let c = Conversation {
        turns: vec![
            turn(
                Role::Assistant,
                0,
                vec![call(&long, "t", "{}"), call("call_1.a:b-c", "t", "{}")],
            ),
            turn(Role::User, 1, vec![result]),
        ],
        ..Conversation::default()
    };
    let (body, _) = written(&c);
    let id = &body["messages"][0]["content"][0]["toolUse"]["toolUseId"];
    assert_eq!(id.as_str().unwrap().len(), 64);
    assert_eq!(
        *id,
        body["messages"][1]["content"][0]["toolResult"]["toolUseId"]
    );
    assert_eq!(
        body["messages"][0]["content"][1]["toolUse"]["toolUseId"],
        "call_1.a:b-c"
    );
}

#[test]
fn arguments_that_are_no_object_are_refused_and_do_not_panic() {
    for bad in ["{", "5", "[]", "\u{0}", "{} {}"] {
        let c = Conversation {
            turns: vec![turn(Role::Assistant, 0, vec![call("a", "t", bad)])],
            ..Conversation::default()
        };
        let mut losses = Losses::default();
        let e = ConverseWire.write_request(&c, &Target::new("m"), &mut losses);
        assert_eq!(*e.unwrap_err().code(), codes::INVALID_FIELD, "{bad:?}");
    }
}

#[test]
fn an_image_that_is_not_there_is_refused() {
    for source in [
        Source::Url("https://a.example/x.png".into()),
        Source::File("file_1".into()),
    ] {
        let media = Media {
            kind: MediaKind::Image,
            media_type: None,
            source,
            name: None,
            detail: None,
            cache: None,
        };
        let c = Conversation {
            turns: vec![turn(Role::User, 4, vec![Part::Media(media)])],
            ..Conversation::default()
        };
        let mut losses = Losses::default();
        let e = ConverseWire
            .write_request(&c, &Target::new("m"), &mut losses)
            .unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE);
        assert_eq!(e.at_param(), Some("messages[4]"));
    }
}

#[test]
fn only_thoughts_that_claude_signed_go_back() {
    let thought = |family, redacted| {
        Part::Reasoning(Reasoning {
            text: Some("hm".into()),
            signature: family_signature(family),
            redacted,
            id: None,
        })
    };
    let c = Conversation {
        turns: vec![turn(
            Role::Assistant,
            1,
            vec![
                thought(Some("anthropic"), false),
                thought(Some("google"), false),
                thought(None, false),
                thought(Some("anthropic"), true),
                Part::text("so"),
            ],
        )],
        ..Conversation::default()
    };
    let (body, lost) = written(&c);
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "s"}},
            {"text": "so"},
        ])
    );
    assert_eq!(lost, ["messages[1].reasoning"]);
}

fn family_signature(family: Option<&'static str>) -> Option<Signature<'static>> {
    let data = Text::from("s");
    family.map(|family| Signature { family, data })
}

#[test]
fn what_bedrock_has_no_field_for_is_listed() {
    let raw = |json: &'static str| portcullis_core::json::Raw::parse(json.as_bytes()).ok();
    let mut c = Conversation {
        turns: vec![turn(Role::User, 0, vec![Part::text("hi")])],
        parallel_tools: Some(false),
        format: Format::Json,
        ..Conversation::default()
    };
    c.sampling = Sampling {
        temperature: raw("1.7"),
        n: raw("2"),
        seed: raw("7"),
        logprobs: raw("true"),
        presence_penalty: raw("0"),
        ..Sampling::default()
    };
    c.metadata.user = Some("u".into());
    c.metadata.facts = raw(r#"{"good":"a-b","bad":"é","worse":5}"#);
    c.metadata.tier = Some("auto".into());
    let (body, lost) = written(&c);
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1}));
    assert_eq!(body["requestMetadata"], json!({"good": "a-b"}));
    assert_eq!(
        lost,
        [
            "n",
            "seed",
            "logprobs",
            "temperature",
            "response_format",
            "user",
            "metadata.bad",
            "metadata.worse"
        ]
    );
}

#[test]
fn the_models_own_fields_depend_on_the_model() {
    let mut c = Conversation::default();
    c.sampling.top_k = portcullis_core::json::Raw::parse(b"40").ok();
    for (model, wanted, lost) in [
        ("us.anthropic.claude-x", json!({"top_k": 40}), 0),
        (
            "eu.amazon.nova-pro-v1:0",
            json!({"inferenceConfig": {"topK": 40}}),
            0,
        ),
        ("meta.llama3", Value::Null, 1),
    ] {
        let mut losses = Losses::default();
        let written = ConverseWire
            .write_request(&c, &Target::new(model), &mut losses)
            .unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(body["additionalModelRequestFields"], wanted, "{model}");
        assert_eq!(losses.iter().count(), lost, "{model}");
        assert_eq!(
            written.path,
            format!("/model/{}/converse", model.replace(':', "%3A"))
        );
    }
}
