//! Streams, from this dialect to the neutral form and back.

use std::fmt::Write as _;

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_testkit::shape;
use serde_json::{Value, json};

use super::replies::asked;
use crate::dialect::anthropic::MessagesWire;
use crate::translate::{Delta, EventReader, Out, Piece, Signature, Stop, Wire};

/// Events with their names, from their data.
fn named(events: &[Value]) -> Vec<(String, String)> {
    let name = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    let events = events.iter();
    events
        .map(|event| (name(event), event.to_string()))
        .collect()
}

fn events(raw: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(raw).unwrap();
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}

/// What a stream of this dialect becomes on its way through the neutral form.
fn through(events: &[(String, String)]) -> Result<Vec<u8>, Error> {
    let mut reader = MessagesWire.reader();
    let mut writer = MessagesWire.writer(&asked());
    let mut out = Out::default();
    for (name, data) in events {
        reader.read(name.as_bytes(), data.as_bytes(), &mut |delta| {
            writer.write(delta, &mut out)
        })?;
    }
    if reader.is_whole() {
        writer.finish(&mut out)?;
    }
    assert!(out.losses.is_empty(), "{:?}", out.losses);
    Ok(out.bytes().to_vec())
}

fn start() -> Value {
    json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {
            "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0,
        },
    }})
}

fn block(index: u32, block: &Value, deltas: &[Value]) -> Vec<Value> {
    let mut events =
        vec![json!({"type": "content_block_start", "index": index, "content_block": block})];
    let delta = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
    events.extend(deltas.iter().map(delta));
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn end(stop: &str) -> Vec<Value> {
    vec![
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": null, "stop_details": null},
            "usage": {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 7},
        }),
        json!({"type": "message_stop"}),
    ]
}

fn stream(blocks: Vec<Vec<Value>>, stop: &str) -> Vec<Value> {
    let mut events = vec![start()];
    events.extend(blocks.into_iter().flatten());
    events.extend(end(stop));
    events
}

#[test]
fn a_stream_of_every_kind_of_block_comes_out_as_it_went_in() {
    let blocks = vec![
        block(
            0,
            &json!({"type": "thinking", "thinking": "", "signature": ""}),
            &[
                json!({"type": "thinking_delta", "thinking": "hm\n\u{1f600}"}),
                json!({"type": "signature_delta", "signature": "c2ln"}),
            ],
        ),
        block(
            1,
            &json!({"type": "redacted_thinking", "data": "ZGF0YQ=="}),
            &[],
        ),
        block(
            2,
            &json!({"type": "text", "text": ""}),
            &[
                json!({"type": "text_delta", "text": "a"}),
                json!({"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "x"}}),
                json!({"type": "text_delta", "text": "b"}),
            ],
        ),
        block(
            3,
            &json!({"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}),
            &[
                json!({"type": "input_json_delta", "partial_json": "{\"a\":"}),
                json!({"type": "input_json_delta", "partial_json": " 1.0}"}),
            ],
        ),
    ];
    let mut whole = stream(blocks, "tool_use");
    whole.insert(2, json!({"type": "ping"}));
    let out = through(&named(&whole)).unwrap();
    assert_eq!(events(&out), whole);
}

#[test]
fn a_call_without_arguments_ends_in_an_empty_object() {
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}});
    let empty = json!({"type": "input_json_delta", "partial_json": ""});
    let given = stream(
        vec![block(0, &call, std::slice::from_ref(&empty))],
        "tool_use",
    );
    let out = through(&named(&given)).unwrap();
    let braces = json!({"type": "input_json_delta", "partial_json": "{}"});
    assert_eq!(
        events(&out),
        stream(vec![block(0, &call, &[braces])], "tool_use")
    );
}

#[test]
fn recorded_streams_are_read_and_written() {
    for name in [
        "messages-stream",
        "messages-stream-cumulative-usage",
        "messages-stream-pings",
        "messages-stream-thinking",
        "messages-stream-tools-parallel",
    ] {
        let shape = shape(name).unwrap();
        let text = std::str::from_utf8(shape.response_body).unwrap();
        let given = text.split_terminator("\n\n").map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            (
                name.to_owned(),
                data.strip_prefix("data: ").unwrap().to_owned(),
            )
        });
        let out = through(&given.collect::<Vec<_>>()).unwrap();
        let kinds = events(&out);
        assert_eq!(kinds.last().unwrap()["type"], "message_stop", "{name}");
    }
}

fn deltas(events: &[Value]) -> Result<(Vec<String>, bool), Error> {
    let mut reader = MessagesWire.reader();
    let mut deltas = Vec::new();
    for (name, data) in named(events) {
        reader.read(name.as_bytes(), data.as_bytes(), &mut |delta| {
            deltas.push(format!("{delta:?}"));
            Ok(())
        })?;
    }
    Ok((deltas, reader.is_whole()))
}

#[test]
fn usage_is_cumulative_and_comes_before_the_end_of_the_answer() {
    let mut begun = start();
    begun["message"]["usage"] =
        json!({"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1});
    let mut events = vec![begun];
    events.extend(end("end_turn"));
    let (deltas, whole) = deltas(&events).unwrap();
    let usage = |output| {
        let mut tokens = Tokens::new(15, output);
        tokens.cache_read = 5;
        format!("{:?}", Delta::Usage(tokens))
    };
    assert_eq!((&deltas[1], &deltas[2]), (&usage(1), &usage(7)));
    assert!(deltas[3].starts_with("Finish") && deltas[4] == "Done" && whole);
}

#[test]
fn a_stream_is_whole_once_it_has_a_stop_reason() {
    let events = [start(), end("max_tokens").remove(0)];
    assert!(!deltas(&events[..1]).unwrap().1);
    assert!(deltas(&events).unwrap().1);
}

#[test]
fn unknown_events_are_passed_over_and_what_is_out_of_place_is_refused() {
    let text = json!({"type": "text", "text": ""});
    let opened = json!({"type": "content_block_start", "index": 0, "content_block": text});
    let delta = |delta| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let words = delta(json!({"type": "text_delta", "text": "a"}));
    assert!(deltas(&[start(), json!({"type": "content_block_glow", "x": 1})]).is_ok());
    for events in [
        vec![start(), start()],
        vec![words.clone()],
        vec![opened.clone()],
        vec![start(), opened.clone(), opened.clone()],
        vec![start(), json!({"type": "content_block_stop", "index": 0})],
        vec![
            start(),
            opened.clone(),
            json!({"type": "content_block_stop", "index": 1}),
        ],
        vec![start(), opened.clone(), json!({"type": "message_stop"})],
        vec![start(), opened.clone(), end("end_turn").remove(0)],
        vec![
            start(),
            opened.clone(),
            delta(json!({"type": "input_json_delta", "partial_json": "{}"})),
        ],
        vec![
            start(),
            opened.clone(),
            delta(json!({"type": "text_delta"})),
        ],
        vec![
            start(),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "a"}}),
        ],
        vec![
            start(),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a"}}),
        ],
    ] {
        let e = deltas(&events).unwrap_err();
        assert_eq!(e.code(), &codes::UPSTREAM_BROKEN, "{events:?}");
    }
    let mut reader = MessagesWire.reader();
    let cut = reader.read(b"ping", b"{\"type\":", &mut |_| Ok(()));
    assert_eq!(cut.unwrap_err().code(), &codes::UPSTREAM_BROKEN);
}

#[test]
fn an_error_in_a_stream_is_told_and_ends_nothing() {
    let failed = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let out = through(&named(&[start(), failed.clone()])).unwrap();
    assert_eq!(events(&out), [start(), failed]);
}

fn written(deltas: Vec<Delta<'_>>) -> (Vec<Value>, Vec<String>) {
    let mut writer = MessagesWire.writer(&asked());
    let mut out = Out::default();
    for delta in deltas {
        writer.write(delta, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let losses = out
        .losses
        .iter()
        .map(|loss| loss.field.to_string())
        .collect();
    (events(out.bytes()), losses)
}

fn finish(stop: Stop) -> Delta<'static> {
    Delta::Finish {
        choice: 0,
        stop,
        sequence: None,
    }
}

fn open(piece: Piece<'static>) -> Delta<'static> {
    Delta::Open { choice: 0, piece }
}

fn words(text: &'static str) -> Delta<'static> {
    Delta::Words {
        choice: 0,
        text: text.into(),
    }
}

/// The kinds of events, each with what is said in it.
fn told(events: &[Value]) -> String {
    let mut told = String::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        let inner = event.get("delta").or_else(|| event.get("content_block"));
        let inner = inner.map(|inner| inner["type"].as_str().unwrap_or_default());
        writeln!(told, "{kind} {}", inner.unwrap_or_default()).unwrap();
    }
    told
}

#[test]
fn usage_that_comes_after_the_end_of_the_answer_stands_in_the_last_but_one_event() {
    let (events, losses) = written(vec![
        Delta::Start {
            id: None,
            model: None,
            created: None,
        },
        open(Piece::Refusal),
        words("no"),
        finish(Stop::End),
        Delta::Usage(Tokens::new(3, 4)),
    ]);
    assert_eq!(
        told(&events),
        "message_start \ncontent_block_start text\ncontent_block_delta text_delta\ncontent_block_stop \n\
         message_delta \nmessage_stop \n"
    );
    assert_eq!(events[0]["message"]["id"], "msg_0123");
    assert_eq!(events[4]["usage"]["output_tokens"], 4);
    assert_eq!(events[4]["delta"]["stop_reason"], "refusal");
    assert!(losses.is_empty());
}

#[test]
fn what_seals_a_call_comes_behind_it() {
    let call = |id: &'static str| {
        open(Piece::ToolCall {
            id: Some(id.into()),
            name: "add".into(),
        })
    };
    let signature = Signature {
        family: "google",
        data: "c2ln".into(),
    };
    let sealed = Delta::Signature {
        choice: 0,
        signature,
    };
    let start = Delta::Start {
        id: None,
        model: None,
        created: None,
    };
    let deltas = vec![
        start,
        call("a"),
        sealed,
        words("{}"),
        call("b"),
        finish(Stop::ToolUse),
    ];
    let (events, _) = written(deltas);
    assert_eq!(
        told(&events),
        "message_start \ncontent_block_start tool_use\ncontent_block_delta input_json_delta\n\
         content_block_stop \ncontent_block_start redacted_thinking\ncontent_block_stop \n\
         content_block_start tool_use\ncontent_block_delta input_json_delta\ncontent_block_stop \n\
         message_delta \nmessage_stop \n"
    );
    let data = "portcullis.call.portcullis.google.c2ln";
    assert_eq!(events[4]["content_block"]["data"], data);
    assert_eq!(
        (&events[4]["index"], &events[6]["index"]),
        (&json!(1), &json!(2))
    );
}

#[test]
fn other_answers_and_probabilities_are_told_of() {
    let raw = portcullis_core::json::Raw::parse(b"[]").unwrap();
    let (events, losses) = written(vec![
        Delta::Start {
            id: None,
            model: None,
            created: None,
        },
        Delta::Open {
            choice: 1,
            piece: Piece::Text,
        },
        Delta::Words {
            choice: 1,
            text: "b".into(),
        },
        Delta::Logprobs { choice: 0, raw },
        finish(Stop::Other),
    ]);
    assert_eq!(
        told(&events),
        "message_start \nmessage_delta \nmessage_stop \n"
    );
    assert_eq!(losses, ["choices[1]", "logprobs", "stop_reason"]);
}

#[test]
fn a_sign_of_life_stays_one() {
    let mut reader: Box<dyn EventReader> = MessagesWire.reader();
    let mut alive = false;
    let ping = reader.read(b"ping", br#"{"type":"ping"}"#, &mut |delta| {
        alive = matches!(delta, Delta::KeepAlive);
        Ok(())
    });
    assert!(ping.is_ok() && alive);
}
