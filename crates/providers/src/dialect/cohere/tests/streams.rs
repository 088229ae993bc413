//! Streams, to the neutral form and back.

use portcullis_core::error::{Error, codes};
use serde_json::{Value, json};

use crate::dialect::cohere::ChatWire;
use crate::translate::testing::{asked, events};
use crate::translate::{Delta, Out, Wire};

fn delta(index: u64, kind: &str, message: &Value) -> Value {
    json!({"type": kind, "index": index, "delta": {"message": message}})
}

fn start() -> Value {
    json!({"type": "message-start", "id": "i", "delta": {"message":
        {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}})
}

fn end(reason: &str) -> Value {
    let counts = json!({"input_tokens": 5, "output_tokens": 2});
    json!({"type": "message-end", "delta": {"finish_reason": reason,
        "usage": {"billed_units": counts, "tokens": counts, "cached_tokens": 0}}})
}

fn call(index: u64) -> Vec<Value> {
    vec![
        delta(
            index,
            "tool-call-start",
            &json!({"tool_calls": {"id": "c", "type": "function", "function": {"name": "add", "arguments": ""}}}),
        ),
        delta(
            index,
            "tool-call-delta",
            &json!({"tool_calls": {"function": {"arguments": "{\"a\":"}}}),
        ),
        delta(
            index,
            "tool-call-delta",
            &json!({"tool_calls": {"function": {"arguments": " 1.0}"}}}),
        ),
        json!({"type": "tool-call-end", "index": index}),
    ]
}

fn said(words: &str) -> Vec<Value> {
    vec![
        delta(
            0,
            "content-start",
            &json!({"content": {"type": "text", "text": ""}}),
        ),
        delta(0, "content-delta", &json!({"content": {"text": words}})),
        json!({"type": "content-end", "index": 0}),
    ]
}

/// What a stream becomes on its way through the neutral form.
fn through(given: &[Value]) -> Result<Vec<Value>, Error> {
    let mut reader = ChatWire.reader();
    let mut writer = ChatWire.writer(&asked(true));
    let mut out = Out::default();
    let mut feed = |name: &str, data: &str| {
        reader.read(name.as_bytes(), data.as_bytes(), &mut |delta| {
            writer.write(delta, &mut out)
        })
    };
    for event in given {
        feed(
            event["type"].as_str().unwrap_or_default(),
            &event.to_string(),
        )?;
    }
    feed("", "[DONE]")?;
    if reader.is_whole() {
        writer.finish(&mut out)?;
    }
    assert!(out.losses.is_empty(), "{:?}", out.losses);
    let events = events(out.bytes()).into_iter();
    let events = events
        .filter(|(_, data)| data != "[DONE]")
        .map(|(name, data)| {
            let data: Value = serde_json::from_str(&data).unwrap();
            assert_eq!(data["type"], name);
            data
        });
    Ok(events.collect())
}

#[test]
fn a_stream_comes_out_as_it_went_in() {
    let mut given = vec![start()];
    given.extend([
        delta(
            0,
            "content-start",
            &json!({"content": {"type": "thinking", "thinking": ""}}),
        ),
        delta(0, "content-delta", &json!({"content": {"thinking": "hm"}})),
        json!({"type": "content-end", "index": 0}),
    ]);
    given.extend([call(0), call(1)].into_iter().flatten());
    given.push(end("TOOL_CALL"));
    assert_eq!(through(&given).unwrap(), given);
    let mut given = vec![start()];
    given.extend(said("so"));
    let cited = json!({"citations": {"start": 0, "end": 2, "text": "so", "sources": []}});
    given.insert(3, delta(0, "citation-start", &cited));
    given.insert(4, json!({"type": "citation-end", "index": 0}));
    given.push(end("COMPLETE"));
    assert_eq!(through(&given).unwrap(), given);
}

#[test]
fn a_plan_becomes_words() {
    let mut given = vec![start()];
    given.extend(
        ["I ", "will"].map(
            |plan| json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": plan}}}),
        ),
    );
    given.extend(call(0));
    given.push(end("TOOL_CALL"));
    let kinds: Vec<_> = through(&given)
        .unwrap()
        .iter()
        .map(|e| e["type"].as_str().unwrap().to_owned())
        .collect();
    let wanted = [
        "message-start",
        "content-start",
        "content-delta",
        "content-delta",
        "content-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-delta",
        "tool-call-end",
        "message-end",
    ];
    assert_eq!(kinds, wanted);
}

#[test]
fn a_call_without_arguments_ends_in_an_empty_object() {
    let begun = call(0).remove(0);
    let given = vec![
        start(),
        begun.clone(),
        json!({"type": "tool-call-end", "index": 0}),
        end("TOOL_CALL"),
    ];
    let written = through(&given).unwrap();
    let braces = delta(
        0,
        "tool-call-delta",
        &json!({"tool_calls": {"function": {"arguments": "{}"}}}),
    );
    assert_eq!(written[1..3], [begun, braces]);
}

#[test]
fn a_failure_at_the_end_is_told_and_the_reply_is_not_whole() {
    for last in [
        json!({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "broke"}}),
        json!({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}),
    ] {
        let mut failed = None;
        let mut reader = ChatWire.reader();
        for event in [start(), last] {
            let data = event.to_string();
            let read = reader.read(b"", data.as_bytes(), &mut |delta| {
                if let Delta::Failed(trouble) = delta {
                    failed = Some(trouble.message.plain().into_owned());
                }
                Ok(())
            });
            read.unwrap();
        }
        assert!(failed.is_some() && !reader.is_whole());
    }
}

#[test]
fn a_stream_is_whole_once_it_has_a_reason() {
    let mut reader = ChatWire.reader();
    let mut feed = |event: Value| {
        let data = event.to_string();
        reader.read(b"", data.as_bytes(), &mut |_| Ok(())).unwrap();
        reader.is_whole()
    };
    assert!(!feed(start()));
    assert!(feed(end("COMPLETE")));
}

#[test]
fn what_is_out_of_place_is_refused_and_unknown_events_are_passed_over() {
    assert!(
        through(&[
            start(),
            json!({"type": "debug", "prompt": "x"}),
            end("COMPLETE")
        ])
        .is_ok()
    );
    for given in [
        vec![start(), start()],
        said("a"),
        vec![start(), json!({"type": "tool-call-end", "index": 0})],
        vec![start(), call(0).remove(1)],
        vec![start(), end("COMPLETE"), end("COMPLETE")],
        vec![start(), json!({"type": "message-end", "delta": {}})],
        vec![
            start(),
            delta(0, "content-start", &json!({"content": {"type": "song"}})),
        ],
        vec![start(), json!([])],
    ] {
        assert_eq!(
            through(&given).unwrap_err().code(),
            &codes::UPSTREAM_BROKEN,
            "{given:?}"
        );
    }
}
