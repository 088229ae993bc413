//! The whole line, where usage is asked for on behalf of a caller who did not: the one splice, the one event.

use bytes::Bytes;
use http::Method;
use portcullis::core::context::Tokens;
use portcullis_testkit::{Shape, ShapeEnd, Upstream, shapes};
use serde_json::{Value, json};

use crate::passthrough::{is_asked, whole};
use crate::support::*;

/// The same shape, with and without the question.
fn asked() -> impl Iterator<Item = &'static Shape> {
    whole().filter(|shape| is_asked(shape))
}

/// Whether an event carries usage and no choice: the one that is there because usage was asked for.
fn is_extra(event: &[u8]) -> bool {
    let text = String::from_utf8_lossy(event);
    let data = text.lines().find_map(|line| line.strip_prefix("data:"));
    let data: Value = serde_json::from_str(data.unwrap_or_default()).unwrap_or_default();
    data["usage"].is_object() && data["choices"].as_array().is_some_and(Vec::is_empty)
}

/// What is left of a stream without that event.
fn without_extra(body: &[u8]) -> Bytes {
    let kept = events(body).into_iter().filter(|event| !is_extra(event));
    kept.flatten().copied().collect()
}

#[tokio::test]
async fn the_question_is_one_splice_and_nothing_else() {
    let line = Line::start().await;
    assert!(asked().count() > 3);
    for shape in asked() {
        let reply = replay(&line.url(""), shape, &[]).await;
        let sent = line.upstream.seen().pop().unwrap().body;
        let mut wanted: Value = serde_json::from_slice(shape.request_body).unwrap();
        if !wanted["stream_options"].is_object() {
            wanted["stream_options"] = json!({});
        }
        wanted["stream_options"]["include_usage"] = json!(true);
        let parsed: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(parsed, wanted, "{}", shape.name);
        assert_one_splice(shape, &sent);
        assert_eq!(
            reply.body,
            without_extra(shape.response_body),
            "{}",
            shape.name
        );
    }
}

/// Common beginning and common end leave at most the value that was replaced.
fn assert_one_splice(shape: &Shape, sent: &[u8]) {
    let original = shape.request_body;
    let begin = original
        .iter()
        .zip(sent)
        .take_while(|(a, b)| a == b)
        .count();
    let rest = original.len().min(sent.len()) - begin;
    let end = original.iter().rev().zip(sent.iter().rev());
    let end = end.take(rest).take_while(|(a, b)| a == b).count();
    let replaced = &original[begin..original.len() - end];
    let word = String::from_utf8_lossy(replaced);
    assert!(
        ["", "false", "fals", "null", "nul"].contains(&&*word),
        "{}: replaced {word}",
        shape.name
    );
}

#[tokio::test]
async fn the_extra_event_is_hidden_at_every_chunking_and_counted() {
    let line = Line::start().await;
    line.upstream.say("one two three");
    let ask = CHAT.replace(r#""stream_options":{"include_usage":true},"#, "");
    for pace in ["one-write", "per-event", "every-1", "every-7"] {
        let path = "/v1/chat/completions";
        let headers = [("x-pace", pace)];
        let reply = send(Method::POST, line.url(path), &headers, ask.clone()).await;
        assert!(
            !reply.text().contains("\"usage\":{"),
            "{pace}: {}",
            reply.text()
        );
        assert!(reply.text().ends_with("data: [DONE]\n\n"), "{pace}");
        let direct = send(Method::POST, line.direct(path), &headers, CHAT).await;
        assert!(
            events(&direct.body).into_iter().any(is_extra),
            "the provider has it"
        );
        let usage = line.records.next().await.usage().unwrap();
        assert_eq!((usage.output, usage.estimated), (3, false), "{pace}");
    }
}

#[tokio::test]
async fn recorded_usage_is_what_the_provider_reported() {
    let line = Line::start().await;
    for shape in shapes() {
        replay(&line.url(""), shape, &[]).await;
        let usage = line.records.next().await.usage();
        let Some(told) = shape.usage else { continue };
        let usage = usage.unwrap_or_else(|| panic!("{}: none", shape.name));
        if shape.end == ShapeEnd::Error {
            assert!(
                usage.estimated,
                "{}: what came before it failed",
                shape.name
            );
            continue;
        }
        let reported = Tokens::new(usage.input, usage.output);
        let wanted = Tokens::new(told.input_tokens, told.output_tokens);
        assert_eq!(reported, wanted, "{}", shape.name);
        assert_eq!(usage.cache_read, told.cached_tokens, "{}", shape.name);
    }
}

#[tokio::test]
async fn a_whole_reply_without_usage_is_estimated_and_says_so() {
    let line = Line::start().await;
    let shape = portcullis_testkit::shape("chat-bare").unwrap();
    replay(&line.url(""), shape, &[]).await;
    let usage = line.records.only().await.usage().unwrap();
    assert!(usage.estimated && usage.input > 0 && usage.output > 0);
}

#[tokio::test]
async fn a_stream_without_usage_is_estimated_and_says_so() {
    let upstream = Upstream::start().await.unwrap();
    let config = config(&upstream, "usage: passive");
    let line = Line::configured(upstream, &config, |builder| builder).await;
    line.upstream.say("one two three");
    let ask = CHAT.replace(r#""stream_options":{"include_usage":true},"#, "");
    let url = line.url("/v1/chat/completions");
    send(Method::POST, url, &[], ask.clone()).await;
    let usage = line.records.only().await.usage().unwrap();
    assert!(usage.estimated);
    assert_eq!(
        (usage.input, usage.output),
        (ask.len().div_ceil(4) as u64, 3)
    );
}
