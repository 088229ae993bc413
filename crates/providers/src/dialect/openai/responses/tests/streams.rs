//! Streams.

use portcullis_core::error::Error;
use serde_json::{Value, json};

use super::ResponsesWire;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, events};
use crate::translate::{Delta, Out, Piece, Signature, Stop, Trouble, TroubleKind, Wire};

fn open(piece: Piece<'static>) -> Delta<'static> {
    Delta::Open { choice: 0, piece }
}

fn words(text: &'static str) -> Delta<'static> {
    let text = text.into();
    Delta::Words { choice: 0, text }
}

fn finish(stop: Stop) -> Delta<'static> {
    let sequence = None;
    Delta::Finish {
        choice: 0,
        stop,
        sequence,
    }
}

fn tool() -> Piece<'static> {
    Piece::ToolCall {
        id: Some("a".into()),
        name: "x".into(),
    }
}

fn write(deltas: Vec<Delta<'_>>) -> Vec<(String, Value)> {
    let mut writer = ResponsesWire.writer(&asked(true));
    let mut out = Out::default();
    for delta in deltas {
        writer.write(delta, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let events = events(out.bytes()).into_iter();
    events
        .map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
        .collect()
}

fn whole() -> Vec<Delta<'static>> {
    vec![
        Delta::Start {
            id: Some("resp_1".into()),
            model: Some("m".into()),
            created: Some(5),
        },
        open(Piece::Reasoning),
        words("hm"),
        Delta::Signature {
            choice: 0,
            signature: Signature {
                family: "anthropic",
                data: "c2ln".into(),
            },
        },
        open(Piece::Text),
        words("a"),
        words("b"),
        open(Piece::Refusal),
        words("no"),
        open(tool()),
        words("{}"),
        open(tool()),
        Delta::Usage(portcullis_core::context::Tokens::new(3, 2)),
        finish(Stop::ToolUse),
        Delta::Done,
    ]
}

#[test]
fn events_come_in_the_order_the_sdk_demands_and_are_numbered() {
    let events = write(whole());
    let names: Vec<_> = events
        .iter()
        .map(|(name, _)| name.strip_prefix("response.").unwrap())
        .collect();
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names, expected);
    for (number, (name, data)) in events.iter().enumerate() {
        assert_eq!(data["type"], **name);
        assert_eq!(data["sequence_number"], number);
    }
    let done = &events[7].1["item"];
    assert_eq!(done["encrypted_content"], "portcullis.anthropic.c2ln");
    assert_eq!(events[11].1["output_index"], 1);
    assert_eq!(events[15].1["content_index"], 1);
    assert_eq!(
        events[24].1["arguments"], "{}",
        "a tool without input still ends in an object"
    );
    let last = &events[26].1["response"];
    assert_eq!(last["status"], "completed");
    assert_eq!(last["usage"]["total_tokens"], 5);
    let items: Vec<_> = last["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(
        items,
        ["reasoning", "message", "function_call", "function_call"]
    );
    assert_eq!(events[0].1["response"]["status"], "in_progress");
    assert_eq!(events[0].1["response"]["output"], json!([]));
}

#[test]
fn a_reply_that_was_cut_short_is_incomplete() {
    let events = write(vec![open(Piece::Text), words("a"), finish(Stop::Length)]);
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "response.incomplete");
    assert_eq!(
        data["response"]["incomplete_details"]["reason"],
        "max_output_tokens"
    );
    assert_eq!(data["response"]["output"][0]["status"], "incomplete");
}

#[test]
fn an_error_is_an_event_and_the_last() {
    let trouble = Trouble {
        kind: TroubleKind::ContextLength,
        status: http::StatusCode::BAD_REQUEST,
        message: "too long".into(),
        code: Some("x".into()),
        param: None,
        retry_after: None,
        request_id: None,
    };
    let events = write(vec![open(Piece::Text), Delta::Failed(trouble), Delta::Done]);
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "error");
    assert_eq!(
        (&data["code"], &data["message"]),
        (&json!("context_length_exceeded"), &json!("too long"))
    );
}

fn read(events: &[Value]) -> (Result<Fold, Error>, bool) {
    let events: Vec<_> = events
        .iter()
        .map(|e| (String::new(), e.to_string()))
        .collect();
    let mut reader = ResponsesWire.reader();
    let fold = Fold::read(&mut *reader, &events);
    let whole = reader.is_whole();
    (fold, whole)
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": []}})
}

#[test]
fn parts_of_a_summary_are_paragraphs_and_the_seal_comes_at_the_end() {
    let part = |index| json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": index, "part": {"type": "summary_text", "text": ""}});
    let delta = |text| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": text});
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [
        {"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"},
    ], "encrypted_content": "c2Vh"});
    let (fold, whole) = read(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 5.0}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}}),
        part(0),
        delta("a"),
        delta("b"),
        part(1),
        delta("c"),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        completed(),
    ]);
    assert!(whole);
    let shape = shape(&fold.unwrap().reply());
    assert_eq!(
        shape["choices"][0]["thoughts"],
        json!([["ab\n\nc", ["openai", "c2Vh"], false]])
    );
    assert_eq!(
        (&shape["model"], &shape["created"]),
        (&json!("m"), &json!(5))
    );
}

#[test]
fn what_comes_whole_only_is_told_once() {
    let item = json!({"type": "function_call", "call_id": "1", "name": "x", "arguments": ""});
    let (fold, _) = read(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"a\":1}"}),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "t"}),
        json!({"type": "response.output_text.done", "output_index": 1, "text": "t"}),
        completed(),
    ]);
    let shape = shape(&fold.unwrap().reply());
    let choice = &shape["choices"][0];
    assert_eq!(choice["calls"][0]["arguments"], json!({"a": 1}));
    assert_eq!(
        (&choice["text"], &choice["stop"]),
        (&json!("t"), &json!("ToolUse"))
    );
}

#[test]
fn only_a_terminal_event_makes_a_response_whole() {
    let text = json!({"type": "response.output_text.delta", "output_index": 0, "delta": "t"});
    assert!(!read(std::slice::from_ref(&text)).1);
    assert!(read(&[text.clone(), completed()]).1);
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "oops"}}});
    let (fold, whole) = read(&[text.clone(), failed]);
    assert_eq!(
        (fold.unwrap().failed.as_deref(), whole),
        (Some("oops"), false)
    );
    let error =
        json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow", "param": null});
    assert_eq!(
        read(&[text, error]).0.unwrap().failed.as_deref(),
        Some("slow")
    );
}

#[test]
fn what_cannot_be_told_elsewhere_is_a_fault_and_events_of_next_month_are_passed_over() {
    for event in [
        json!([]),
        json!({"type": "response.output_text.delta", "output_index": 0}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"}),
        json!({"type": "response.output_item.added", "item": {"type": "web_search_call"}}),
        json!({"type": "response.content_part.added", "part": {"type": "hologram"}}),
        json!({"type": "response.completed"}),
        json!({"type": "response.completed", "response": {"status": "queued"}}),
    ] {
        let e = read(std::slice::from_ref(&event)).0.unwrap_err();
        assert_eq!(e.code().name, "upstream_broken", "{event}");
    }
    let next = json!({"type": "response.mood.updated", "mood": "good"});
    assert!(read(&[next, completed()]).1);
}
