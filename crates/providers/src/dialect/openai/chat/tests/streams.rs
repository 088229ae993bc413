//! Streams.

use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;
use serde_json::{Value, json};

use super::ChatWire;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, events};
use crate::translate::{Asked, Delta, Out, Piece, Stop, Wire};

fn chunk(delta: Value, finish: Value) -> Value {
    let mut chunk = json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "logprobs": null}],
    });
    chunk["choices"][0]["delta"] = delta;
    chunk["choices"][0]["finish_reason"] = finish;
    chunk
}

fn call(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    let mut call = json!({"index": index, "function": {"arguments": arguments}});
    if let Some(id) = id {
        call["id"] = json!(id);
        call["type"] = json!("function");
    }
    if let Some(name) = name {
        call["function"]["name"] = json!(name);
    }
    chunk(json!({"tool_calls": [call]}), Value::Null)
}

fn read(chunks: &[Value]) -> (Result<Fold, Error>, bool) {
    let mut events: Vec<_> = chunks
        .iter()
        .map(|c| (String::new(), c.to_string()))
        .collect();
    if let Some((_, last)) = events.last_mut()
        && last == "\"[DONE]\""
    {
        *last = "[DONE]".to_owned();
    }
    let mut reader = ChatWire.reader();
    let fold = Fold::read(&mut *reader, &events);
    let whole = reader.is_whole();
    (fold, whole)
}

fn choice(chunks: &[Value]) -> Value {
    let (fold, whole) = read(chunks);
    assert!(whole);
    shape(&fold.unwrap().reply())["choices"][0].clone()
}

fn done() -> Value {
    json!("[DONE]")
}

#[test]
fn parallel_tool_calls_with_interleaved_indexes_come_one_after_the_other() {
    let got = choice(&[
        chunk(json!({"role": "assistant", "content": null}), Value::Null),
        call(0, Some("a"), Some("x"), ""),
        call(1, Some("b"), Some("y"), "{\"q\":"),
        call(0, None, None, "{\"p\":1"),
        call(1, None, None, "2}"),
        call(0, None, None, "}"),
        chunk(json!({}), json!("tool_calls")),
        done(),
    ]);
    assert_eq!(got["calls"][0]["arguments"], json!({"p": 1}));
    assert_eq!(got["calls"][1]["arguments"], json!({"q": 2}));
    assert_eq!(got["calls"][1]["id"], "b");
    assert_eq!(got["stop"], "ToolUse");
}

#[test]
fn calls_that_hosts_number_alike_or_not_at_all_are_told_apart_by_their_ids() {
    let mut unnumbered = [
        call(0, Some("a"), Some("x"), "{}"),
        call(0, Some("b"), Some("y"), "{}"),
    ];
    for round in 0..2 {
        let mut chunks = unnumbered.to_vec();
        chunks.push(chunk(json!({}), json!("stop")));
        let got = choice(&chunks);
        assert_eq!(got["calls"].as_array().unwrap().len(), 2, "{round}");
        assert_eq!(got["stop"], "ToolUse");
        for chunk in &mut unnumbered {
            let calls = &mut chunk["choices"][0]["delta"]["tool_calls"];
            calls[0].as_object_mut().unwrap().remove("index");
        }
    }
}

#[test]
fn azures_early_chunk_without_choices_is_neither_the_start_nor_the_usage() {
    let early = json!({"id": "", "model": "", "object": "", "created": 0, "choices": [], "prompt_filter_results": [{}]});
    let (fold, whole) = read(&[
        early,
        chunk(json!({"content": "a"}), Value::Null),
        chunk(json!({}), json!("stop")),
        json!({"id": "c", "model": "m", "created": 1, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
        done(),
    ]);
    let fold = fold.unwrap();
    assert!(whole);
    assert!(fold.model.as_ref().unwrap().is("m"));
    assert_eq!(fold.usage.unwrap().input, 3);
}

#[test]
fn thoughts_refusals_and_text_are_pieces_of_their_own() {
    let got = choice(&[
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"reasoning_content": "h"}), Value::Null),
        chunk(json!({"reasoning": "m"}), Value::Null),
        chunk(json!({"content": "a"}), Value::Null),
        chunk(json!({"refusal": "no"}), Value::Null),
        chunk(json!({}), json!("stop")),
    ]);
    assert_eq!(got["thoughts"], json!([["hm", null, false]]));
    assert_eq!((&got["text"], &got["refusal"]), (&json!("a"), &json!("no")));
    assert_eq!(got["stop"], "Refusal");
}

#[test]
fn a_finish_reason_makes_a_reply_whole_and_nothing_less_does() {
    let text = || chunk(json!({"content": "a"}), Value::Null);
    let end = || chunk(json!({}), json!("stop"));
    assert!(!read(&[]).1);
    assert!(!read(&[text()]).1);
    assert!(read(&[text(), end()]).1);
    assert!(read(&[text(), end(), end(), done()]).1);
    let mut other = text();
    other["choices"][0]["index"] = json!(1);
    assert!(!read(&[text(), other, end()]).1, "another choice goes on");
    assert!(read(&[text(), done()]).1);
}

#[test]
fn what_is_not_a_chunk_is_a_fault() {
    let after = [
        chunk(json!({}), json!("stop")),
        chunk(json!({"content": "a"}), Value::Null),
    ];
    for chunks in [
        vec![json!({})],
        vec![json!({"type": "ping"})],
        vec![json!([])],
        vec![chunk(json!({"content": 1}), Value::Null)],
        vec![
            call(0, Some("a"), None, "{}"),
            chunk(json!({}), json!("stop")),
        ],
        after.to_vec(),
    ] {
        let e = read(&chunks).0.unwrap_err();
        assert_eq!(e.code().name, "upstream_broken", "{chunks:?}");
    }
}

#[test]
fn calls_without_end_are_a_fault_and_no_heap() {
    let begun = |index| call(index, Some("a"), Some("x"), "");
    let chunks: Vec<_> = (0..2000).map(begun).collect();
    assert_eq!(read(&chunks).0.unwrap_err().code().name, "upstream_broken");
    let mut reader = ChatWire.reader();
    let mut feed = |chunk: Value| reader.read(b"", chunk.to_string().as_bytes(), &mut |_| Ok(()));
    feed(begun(0)).unwrap();
    feed(begun(1)).unwrap();
    let long = "x".repeat(1 << 20);
    let refused = (0..32).find_map(|_| feed(call(1, None, None, &long)).err());
    assert_eq!(refused.unwrap().code().name, "upstream_too_large");
}

#[test]
fn an_error_in_a_stream_is_told() {
    let error = json!({"error": {"message": "too much", "type": "overloaded_error", "code": null}});
    let (fold, whole) = read(&[chunk(json!({"content": "a"}), Value::Null), error]);
    assert_eq!(fold.unwrap().failed.as_deref(), Some("too much"));
    assert!(!whole);
}

/// The events written of these deltas.
fn write(asked: &Asked, deltas: Vec<Delta<'_>>) -> (Vec<Value>, Vec<EventKind>) {
    let mut writer = ChatWire.writer(asked);
    let mut out = Out::default();
    for delta in deltas {
        writer.write(delta, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let data = events(out.bytes()).into_iter().map(|(name, data)| {
        assert!(name.is_empty());
        serde_json::from_str(&data).unwrap_or(Value::String(data))
    });
    (data.collect(), out.kinds())
}

fn start() -> Delta<'static> {
    Delta::Start {
        id: Some("msg_1".into()),
        model: Some("m".into()),
        created: None,
    }
}

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

#[test]
fn one_role_one_finish_reason_after_the_last_delta_then_usage_then_done() {
    let deltas = vec![
        start(),
        open(Piece::Text),
        words("a"),
        words(""),
        words("b"),
        finish(Stop::End),
        Delta::Usage(portcullis_core::context::Tokens::new(3, 2)),
    ];
    let (events, kinds) = write(&asked(true), deltas.clone());
    let roles = events
        .iter()
        .filter(|e| e["choices"][0]["delta"].get("role").is_some());
    assert_eq!(roles.count(), 1);
    let reasons: Vec<_> = events
        .iter()
        .map(|e| &e["choices"][0]["finish_reason"])
        .collect();
    assert_eq!(
        reasons.iter().filter(|reason| reason.is_string()).count(),
        1
    );
    assert_eq!(
        kinds,
        [
            EventKind::Other,
            EventKind::Content,
            EventKind::Content,
            EventKind::Finish,
            EventKind::Usage,
            EventKind::Done
        ]
    );
    assert!(
        events[..4]
            .iter()
            .all(|e| e["usage"].is_null() && e.get("usage").is_some())
    );
    assert_eq!(events[4]["choices"], json!([]));
    assert_eq!(events[4]["usage"]["total_tokens"], 5);
    assert_eq!(events[5], "[DONE]");
    // Who did not ask for usage is not told of it.
    let silent = Asked {
        usage: false,
        ..asked(true)
    };
    let (events, _) = write(&silent, deltas);
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|e| e.get("usage").is_none()));
}

#[test]
fn a_tool_without_input_still_ends_in_an_object() {
    let (events, _) = write(
        &asked(true),
        vec![
            start(),
            open(tool()),
            open(tool()),
            words("{}"),
            finish(Stop::ToolUse),
        ],
    );
    let pieces: Vec<_> = events
        .iter()
        .filter_map(|e| e["choices"][0]["delta"]["tool_calls"].get(0))
        .map(|call| {
            (
                call["index"].as_u64().unwrap(),
                call["function"]["arguments"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(pieces, [(0, ""), (0, "{}"), (1, ""), (1, "{}")]);
    assert_eq!(events[1]["choices"][0]["delta"]["tool_calls"][0]["id"], "a");
    assert_eq!(
        events[1]["choices"][0]["delta"]["tool_calls"][0]["type"],
        "function"
    );
}

#[test]
fn functions_of_the_old_form_are_streamed_so() {
    let asked = Asked {
        functions: true,
        ..asked(true)
    };
    let (events, _) = write(
        &asked,
        vec![
            start(),
            open(tool()),
            words("{}"),
            open(tool()),
            words("{}"),
            finish(Stop::ToolUse),
        ],
    );
    let calls: Vec<_> = events
        .iter()
        .filter_map(|e| e["choices"][0]["delta"].get("function_call"))
        .collect();
    assert_eq!(
        calls,
        [
            &json!({"name": "x", "arguments": ""}),
            &json!({"arguments": "{}"})
        ]
    );
    assert_eq!(events[3]["choices"][0]["finish_reason"], "function_call");
}

#[test]
fn after_an_error_nothing_more_is_said() {
    let error = crate::translate::Trouble {
        kind: crate::translate::TroubleKind::Overloaded,
        status: http::StatusCode::SERVICE_UNAVAILABLE,
        message: "busy".into(),
        code: Some("overloaded_error".into()),
        param: None,
        retry_after: None,
        request_id: None,
    };
    let (events, kinds) = write(
        &asked(true),
        vec![start(), Delta::Failed(error), Delta::Done],
    );
    assert_eq!(kinds, [EventKind::Error]);
    let error = json!({"message": "busy", "type": "server_error", "param": null, "code": "overloaded_error"});
    assert_eq!(events, [json!({"error": error})]);
}

#[test]
fn signs_of_life_are_kept() {
    let mut writer = ChatWire.writer(&asked(true));
    let mut out = Out::default();
    writer.write(Delta::KeepAlive, &mut out).unwrap();
    assert_eq!(out.bytes(), b": keep-alive\n\n");
    assert_eq!(out.kinds(), [EventKind::KeepAlive]);
}

#[test]
fn probabilities_are_streamed_as_they_came() {
    let logprobs = json!({"content": [{"token": "a", "logprob": -0.5, "bytes": null, "top_logprobs": []}], "refusal": null});
    let mut first = chunk(json!({"content": "a"}), Value::Null);
    first["choices"][0]["logprobs"] = logprobs.clone();
    let got = choice(&[first.clone(), first, chunk(json!({}), json!("stop"))]);
    assert_eq!(got["logprobs"]["content"].as_array().unwrap().len(), 2);
    assert_eq!(got["logprobs"]["content"][0], logprobs["content"][0]);
}
