//! Items of inputs and outputs, and whole replies.

use serde_json::{Value, json};

use super::{ResponsesWire, again, fields, reading, written_by};
use crate::dialect::openai::ChatWire;
use crate::translate::fold::shape;
use crate::translate::testing::asked;
use crate::translate::{Choice, Losses, Part, Reply, Role, Stop, Wire};

fn conversation() -> Value {
    json!([
        {"type": "message", "role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "c2Vh"},
        {"type": "message", "role": "assistant", "content": "so"},
        {"type": "function_call", "call_id": "1", "name": "x", "arguments": "{\"a\":1.0}"},
        {"type": "function_call", "call_id": "2", "name": "y", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
        {"type": "function_call_output", "call_id": "2", "output": [
            {"type": "input_text", "text": "two"},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        ]},
        {"type": "message", "role": "user", "content": "go on"},
    ])
}

#[test]
fn items_come_back_as_they_were_with_sealed_thoughts_in_their_place() {
    let (written, lost) = again(&json!({"instructions": "i", "input": conversation()})).unwrap();
    assert_eq!(written["instructions"], "i");
    assert_eq!(written["input"], conversation());
    assert_eq!(written["include"], json!(["reasoning.encrypted_content"]));
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn what_the_model_said_and_called_in_a_row_is_one_turn() {
    let roles = reading(&json!({"input": conversation()}), |c, _| {
        let turns = c
            .turns
            .iter()
            .map(|turn| (turn.role, turn.parts.len(), turn.at));
        turns.collect::<Vec<_>>()
    });
    let expected = [
        (Role::Developer, 1, 0),
        (Role::User, 4, 1),
        (Role::Assistant, 4, 2),
        (Role::User, 3, 8),
    ];
    assert_eq!(roles.unwrap(), expected);
}

#[test]
fn as_chat_messages_they_are_what_a_client_of_those_would_have_sent() {
    let (written, lost) = written_by(
        &ChatWire,
        &json!({"instructions": "i", "input": conversation()}),
    )
    .unwrap();
    let messages = written["messages"].as_array().unwrap();
    let roles: Vec<_> = messages
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
            "tool",
            "user"
        ]
    );
    assert_eq!(messages[3]["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(
        messages[6]["content"][0]["image_url"]["url"],
        "https://example.com/a.png"
    );
    // No file at a URL, no sealed thoughts, and the image has moved to the message that follows.
    assert_eq!(
        lost,
        ["input[1].media", "input[2].reasoning", "input[8].media"]
    );
}

#[test]
fn a_missing_output_is_refused_by_the_place_of_its_call() {
    let call = json!([{"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"}]);
    let e = again(&json!({"input": call})).unwrap_err();
    assert_eq!(e.at_param(), Some("input[0]"));
}

#[test]
fn a_signature_of_another_family_comes_back_from_a_client_that_echoes_items() {
    let input = json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "portcullis.anthropic.c2ln"},
        {"type": "function_call", "call_id": "1", "name": "x", "arguments": "{}"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "portcullis.google.Z29v"},
        {"type": "function_call_output", "call_id": "1", "output": "one"},
    ]);
    let seen = reading(&json!({"input": input}), |c, _| {
        let seals = c.turns[0].parts.iter().map(|part| {
            let seal = match part {
                Part::Reasoning(one) => one.signature.as_ref(),
                Part::ToolCall(call) => call.signature.as_ref(),
                _ => None,
            };
            let seal = seal.unwrap();
            (seal.family, seal.data.plain().into_owned())
        });
        seals.collect::<Vec<_>>()
    });
    let expected = [
        ("anthropic", "c2ln".to_owned()),
        ("google", "Z29v".to_owned()),
    ];
    assert_eq!(seen.unwrap(), expected);
    let (_, lost) = again(&json!({"input": [
        {"type": "reasoning", "summary": [], "encrypted_content": "portcullis.anthropic.c2ln"},
        {"role": "user", "content": "?"},
    ]}))
    .unwrap();
    assert_eq!(lost, ["input[0].reasoning"]);
}

fn read<T>(body: &Value, look: impl FnOnce(Reply<'_>, Vec<String>) -> T) -> T {
    let body = body.to_string();
    let mut losses = Losses::default();
    let reply = ResponsesWire
        .read_reply(body.as_bytes(), &mut losses)
        .unwrap();
    look(reply, fields(&losses))
}

#[test]
fn a_response_is_read_with_all_that_is_in_it() {
    let body = json!({
        "id": "resp_1", "object": "response", "created_at": 5.0, "status": "completed", "model": "m",
        "error": null, "incomplete_details": null,
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [
                {"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"},
            ], "encrypted_content": "c2Vh"},
            {"type": "reasoning", "id": "rs_2", "summary": []},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "x", "annotations": [{"type": "url_citation"}]},
                {"type": "refusal", "refusal": "no"},
            ]},
            {"type": "web_search_call", "id": "ws_1"},
        ],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 12},
    });
    let (shape, lost) = read(&body, |reply, lost| (shape(&reply), lost));
    let choice = &shape["choices"][0];
    assert_eq!(
        choice["thoughts"],
        json!([["a\n\nb", ["openai", "c2Vh"], false]])
    );
    assert_eq!(
        (&choice["text"], &choice["refusal"]),
        (&json!("x"), &json!("no"))
    );
    assert_eq!(choice["stop"], "Refusal");
    assert_eq!(shape["usage"], json!([5, 7, 2, 0, 3]));
    assert_eq!(shape["created"], 5);
    assert_eq!(lost, ["output[2].content[0].annotations", "output[3]"]);
}

#[test]
fn a_status_is_read_as_why_it_ended() {
    let stop = |status: &str, reason: Value| {
        let body =
            json!({"status": status, "incomplete_details": {"reason": reason}, "output": []});
        read(&body, |reply, _| reply.choices[0].stop)
    };
    assert_eq!(stop("completed", Value::Null), Stop::End);
    assert_eq!(stop("incomplete", json!("max_output_tokens")), Stop::Length);
    assert_eq!(stop("incomplete", json!("content_filter")), Stop::Filter);
    for body in [
        json!({"status": "queued", "output": []}),
        json!({"status": "failed", "error": {"code": "server_error", "message": "oops"}, "output": []}),
        json!({"status": "completed"}),
        json!({"output": [{"type": "message", "content": 7}]}),
        json!([]),
    ] {
        let body = body.to_string();
        let read = ResponsesWire.read_reply(body.as_bytes(), &mut Losses::default());
        assert_eq!(read.unwrap_err().code().name, "upstream_broken", "{body}");
    }
}

#[test]
fn every_member_a_client_demands_is_there() {
    let reply = |stop| Reply {
        choices: vec![Choice {
            parts: vec![Part::text("a"), Part::text("b")],
            stop,
            ..Choice::default()
        }],
        ..Reply::default()
    };
    let write = |stop| -> Value {
        let body = ResponsesWire.write_reply(&reply(stop), &asked(false), &mut Losses::default());
        serde_json::from_slice(&body.unwrap()).unwrap()
    };
    let text = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    assert_eq!(
        write(Stop::Length),
        json!({
            "id": "resp_0123", "object": "response", "created_at": 1_700_000_000,
            "status": "incomplete", "background": false, "error": null,
            "incomplete_details": {"reason": "max_output_tokens"}, "instructions": null,
            "max_output_tokens": null, "model": "asked-model",
            "output": [{
                "type": "message", "id": "msg_0123_0", "status": "incomplete", "role": "assistant",
                "content": [text("a"), text("b")],
            }],
            "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null}, "store": false, "temperature": null,
            "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
            "top_p": null, "truncation": "disabled", "usage": null, "user": null, "metadata": {},
        })
    );
    assert_eq!(write(Stop::End)["status"], "completed");
    assert_eq!(
        write(Stop::Filter)["incomplete_details"]["reason"],
        "content_filter"
    );
}
