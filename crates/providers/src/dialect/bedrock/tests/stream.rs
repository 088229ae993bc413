use bytes::Bytes;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::wire::Split;
use serde_json::{Value, json};

use super::asked;
use crate::dialect::bedrock::{ConverseWire, EventStreamSplitter, RenderBedrock, frames};
use crate::translate::*;
use portcullis_core::respond::Render;

/// The events of a stream: name and document.
pub(super) fn events(stream: &[u8]) -> Vec<(String, Value)> {
    let mut split = EventStreamSplitter::new(1 << 20);
    let block = split.push(Bytes::copy_from_slice(stream)).unwrap();
    let mut found = Vec::new();
    if let Some(block) = block {
        for frame in &block.frames {
            let name = String::from_utf8_lossy(frame.event_name(&block.raw)).into_owned();
            let data = serde_json::from_slice(&frame.data(&block.raw)).unwrap();
            found.push((name, data));
        }
    }
    assert_eq!(split.finish(), None);
    found
}

/// Reads events and writes them again.
fn again(given: &[(&str, Value)]) -> Result<(Vec<(String, Value)>, bool), Error> {
    let mut reader = ConverseWire.reader();
    let mut writer = ConverseWire.writer(&asked());
    let mut out = Out::default();
    for (name, document) in given {
        let data = document.to_string();
        reader.read(name.as_bytes(), data.as_bytes(), &mut |delta| {
            writer.write(delta, &mut out)
        })?;
    }
    if reader.is_whole() {
        writer.finish(&mut out)?;
    }
    Ok((events(out.bytes()), reader.is_whole()))
}

fn full() -> Vec<(&'static str, Value)> {
    let delta = |index: u32, delta: Value| {
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": index, "delta": delta}),
        )
    };
    let stop = |index: u32| ("contentBlockStop", json!({"contentBlockIndex": index}));
    let start = |index: u32, id: &str| {
        let tool = json!({"toolUse": {"toolUseId": id, "name": "t"}});
        (
            "contentBlockStart",
            json!({"contentBlockIndex": index, "start": tool}),
        )
    };
    vec![
        ("messageStart", json!({"role": "assistant"})),
        delta(0, json!({"reasoningContent": {"text": "hm"}})),
        delta(0, json!({"reasoningContent": {"signature": "c2ln"}})),
        stop(0),
        delta(1, json!({"reasoningContent": {"redactedContent": "cmVk"}})),
        stop(1),
        delta(2, json!({"text": "He"})),
        delta(2, json!({"text": "re \u{1f600}\n"})),
        stop(2),
        start(3, "a"),
        delta(3, json!({"toolUse": {"input": "{\"a\""}})),
        delta(3, json!({"toolUse": {"input": ":1}"}})),
        stop(3),
        start(4, "b"),
        delta(4, json!({"toolUse": {"input": "{}"}})),
        stop(4),
        ("messageStop", json!({"stopReason": "tool_use"})),
        (
            "metadata",
            json!({
                "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
                "metrics": {"latencyMs": 0},
            }),
        ),
    ]
}

#[test]
fn a_stream_survives_reading_and_writing() {
    let (written, whole) = again(&full()).unwrap();
    let wanted: Vec<_> = full().into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    assert_eq!(written, wanted);
    assert!(whole);
}

#[test]
fn padding_and_empty_deltas_change_nothing() {
    let mut padded = full();
    for (_, document) in &mut padded {
        document["p"] = json!("abcdefgh");
    }
    padded.insert(
        10,
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 3, "delta": {"toolUse": {"input": ""}}}),
        ),
    );
    assert_eq!(again(&padded).unwrap().0, again(&full()).unwrap().0);
}

#[test]
fn a_stream_is_whole_once_it_said_why_it_ended() {
    for cut in 0..full().len() {
        let whole = again(&full()[..cut]).unwrap().1;
        assert_eq!(whole, cut >= full().len() - 1, "{cut} events");
    }
}

#[test]
fn a_call_without_arguments_ends_in_an_empty_object() {
    let (written, _) = again(&[
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "a", "name": "t"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "tool_use"})),
    ])
    .unwrap();
    assert_eq!(written[2].1["delta"], json!({"toolUse": {"input": "{}"}}));
    assert_eq!(written[3].0, "contentBlockStop");
}

#[test]
fn what_bedrock_does_not_write_is_refused() {
    for (name, document) in [
        ("contentBlockGlow", json!({})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"image": {}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "x"}}}),
        ),
        ("contentBlockDelta", json!({"delta": {"text": "x"}})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"text": 5}}),
        ),
        ("messageStop", json!({})),
        ("messageStart", json!([])),
    ] {
        let e = again(&[(name, document.clone())]).unwrap_err();
        assert_eq!(*e.code(), codes::UPSTREAM_BROKEN, "{name} {document}");
    }
}

#[test]
fn an_exception_in_a_stream_is_told_as_one() {
    for name in [
        "throttlingException",
        "modelStreamErrorException",
        "validationException",
    ] {
        let (written, whole) = again(&[
            ("messageStart", json!({"role": "assistant"})),
            (name, json!({"message": "no"})),
        ])
        .unwrap();
        assert!(!whole);
        let last = written.last().unwrap();
        assert_eq!(last.1, json!({"message": "no"}));
        let wanted = match name {
            "modelStreamErrorException" => "internalServerException",
            name => name,
        };
        assert_eq!(last.0, wanted);
    }
}

#[test]
fn usage_comes_last_whenever_it_was_known() {
    let mut writer = ConverseWire.writer(&asked());
    let mut out = Out::default();
    let text = |text: &'static str| Delta::Words {
        choice: 0,
        text: text.into(),
    };
    for delta in [
        Delta::Start {
            id: None,
            model: None,
            created: None,
        },
        Delta::Usage(Tokens::new(9, 1)),
        Delta::Open {
            choice: 0,
            piece: Piece::Text,
        },
        text("a"),
        Delta::KeepAlive,
        Delta::Finish {
            choice: 0,
            stop: Stop::End,
            sequence: None,
        },
        Delta::Usage(Tokens::new(9, 2)),
        Delta::Done,
    ] {
        writer.write(delta, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let written = events(out.bytes());
    let names: Vec<_> = written.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata"
        ]
    );
    assert_eq!(written[4].1["usage"]["totalTokens"], 11);
}

#[test]
fn a_signature_with_no_place_follows_as_a_block_of_its_own() {
    let mut writer = ConverseWire.writer(&asked());
    let mut out = Out::default();
    let signature = Signature {
        family: "google",
        data: "abc".into(),
    };
    for delta in [
        Delta::Open {
            choice: 0,
            piece: Piece::ToolCall {
                id: None,
                name: "t".into(),
            },
        },
        Delta::Signature {
            choice: 0,
            signature,
        },
        Delta::Finish {
            choice: 0,
            stop: Stop::ToolUse,
            sequence: None,
        },
    ] {
        writer.write(delta, &mut out).unwrap();
    }
    let written = events(out.bytes());
    let names: Vec<_> = written.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "messageStart",
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockStop",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
        ]
    );
    assert_eq!(
        written[1].1["start"]["toolUse"]["toolUseId"],
        "tooluse_c1_0"
    );
    let signature = json!({"reasoningContent": {"signature": "portcullis.google.abc"}});
    assert_eq!(
        written[4].1,
        json!({"contentBlockIndex": 1, "delta": signature})
    );
}

#[test]
fn an_error_of_the_gateways_is_an_exception_in_a_stream() {
    let error = Error::new(&codes::UPSTREAM_CUT, "it \"broke\"");
    let last = events(&RenderBedrock.in_stream(&error).unwrap());
    assert_eq!(
        last,
        [(
            "modelStreamErrorException".to_owned(),
            json!({"message": "it \"broke\""})
        )]
    );
    assert!(RenderBedrock.is_stream(b"application/vnd.amazon.eventstream"));
    assert!(!RenderBedrock.is_stream(b"text/event-stream"));
    let mut written = Vec::new();
    frames::write_event("x", b"{}".to_vec(), &mut written);
    assert_eq!(events(&written), [("x".to_owned(), json!({}))]);
}
