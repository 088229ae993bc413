//! The whole line: many calls over few connections, and the stop of a gateway that is at work.

use http::Method;
use portcullis::core::context::Outcome;
use portcullis_testkit::{Client, Ended};
use tokio::task::JoinSet;

use crate::support::*;

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn streams_of_one_http2_connection_end_independently() {
    let line = Line::start().await;
    let url = line.url(PATH);
    let mut connection = Client::http2().connect(&url).await.unwrap();
    let mut streams = Vec::new();
    for number in 0..6 {
        let fault = if number == 3 { "stall-after-2" } else { "ok" };
        let headers = [("x-fault", fault), ("x-pace", "per-event,delay-10")];
        let reply = connection.stream(Method::POST, &url, &headers, CHAT).await;
        streams.push(reply.unwrap());
    }
    let mut left = streams.remove(3);
    left.next_chunk().await.unwrap().unwrap();
    left.hang_up();
    for stream in streams {
        let (body, proper) = stream.drain().await;
        assert!(proper && body.ends_with(b"data: [DONE]\n\n"));
    }
    let cancelled = line.upstream.wait_for_cancel(PATIENCE).await.unwrap();
    assert_eq!(cancelled.number, 3);
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        outcomes.push(line.records.next().await.outcome);
    }
    line.records.none().await;
    let gone = outcomes.iter().filter(|o| **o == Outcome::ClientLeft);
    let whole = outcomes.iter().filter(|o| **o == Outcome::Completed);
    assert_eq!((gone.count(), whole.count()), (1, 5));
}

#[tokio::test]
async fn a_connection_is_used_again_on_both_sides() {
    let line = Line::start().await;
    let url = line.url(PATH);
    for client in [Client::new(), Client::http2()] {
        let mut connection = client.connect(&url).await.unwrap();
        for _ in 0..5 {
            let reply = connection
                .send(Method::POST, &url, &[], CHAT)
                .await
                .unwrap();
            assert_eq!(reply.status, 200);
            line.records.only().await;
            let again = || line.gateway.upstreams().idle == 1;
            eventually("the connection to the upstream rests", again).await;
        }
    }
    assert_eq!(line.upstream.connections(), 1);
}

#[tokio::test]
async fn an_error_leaves_the_connection_in_use() {
    let line = Line::start().await;
    let url = line.url(PATH);
    let mut connection = Client::new().connect(&url).await.unwrap();
    for body in ["{", CHAT, r#"{"model":1}"#, CHAT] {
        let reply = connection
            .send(Method::POST, &url, &[], body)
            .await
            .unwrap();
        assert_eq!(reply.status.is_success(), body == CHAT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_streams_at_once_are_all_whole() {
    let line = Line::start().await;
    let mut calls = JoinSet::new();
    for number in 0..100_u32 {
        let url = line.url(PATH);
        calls.spawn(async move {
            let words = (number + 1).to_string();
            let headers = [("x-words", &*words), ("x-pace", "per-event,delay-2")];
            (number, send(Method::POST, url, &headers, CHAT).await.text())
        });
    }
    while let Some(done) = soon("a stream", calls.join_next()).await {
        let (number, text) = done.unwrap();
        assert!(text.ends_with("data: [DONE]\n\n"), "{number}");
        assert_eq!(text.matches("word").count() as u32, number + 1);
    }
    let mut output = 0;
    for _ in 0..100 {
        let record = line.records.next().await;
        assert_eq!(record.outcome, Outcome::Completed);
        output += record.usage().unwrap().output;
    }
    assert_eq!(
        output,
        line.upstream.meter().output_tokens,
        "the ledger balances"
    );
}

#[tokio::test]
async fn a_stop_lets_the_stream_under_way_end_and_accepts_nothing_new() {
    let line = Line::start().await;
    let url = line.url(PATH);
    for client in [Client::new(), Client::http2()] {
        let line = Line::start().await;
        let url = line.url(PATH);
        let headers = [("x-pace", "per-event,delay-20")];
        let mut stream = client
            .stream(Method::POST, &url, &headers, CHAT)
            .await
            .unwrap();
        stream.next_chunk().await.unwrap().unwrap();
        let shutdown = line.running.shutdown();
        let stopping = tokio::spawn(line.running.stop());
        soon("the beginning of the stop", shutdown.begun()).await;
        let (body, proper) = stream.drain().await;
        assert!(proper && body.ends_with(b"data: [DONE]\n\n"));
        let drained = soon("the stop", stopping).await.unwrap();
        assert_eq!((drained.finished, drained.cut), (1, 0));
        assert!(Client::new().connect(&url).await.is_err());
        assert_eq!(line.records.only().await.outcome, Outcome::Completed);
    }
    assert!(Client::new().connect(&url).await.is_ok(), "others go on");
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_when_the_grace_is_over() {
    let line = Line::start().await;
    let mut stream = line.chat(&[("x-fault", "stall-after-2")]).await;
    stream.next_chunk().await.unwrap().unwrap();
    line.running
        .shutdown()
        .begin(std::time::Duration::from_millis(30));
    let drained = soon("the stop", line.running.wait()).await;
    assert_eq!((drained.finished, drained.cut), (0, 1));
    let (_, proper) = stream.drain().await;
    assert!(!proper);
    let left = line.upstream.wait_for_cancel(PATIENCE).await.unwrap();
    assert_eq!(left.ended, Ended::Cancelled);
    assert_eq!(line.records.only().await.attempts.len(), 1);
}

#[tokio::test]
async fn an_http2_client_and_an_http1_client_see_the_same() {
    let line = Line::start().await;
    let url = line.url(PATH);
    let one = Client::new().post(&url, CHAT).await.unwrap();
    let two = Client::http2().post(&url, CHAT).await.unwrap();
    assert_eq!(one.body, two.body);
    assert_eq!(passed_on(&one.headers), passed_on(&two.headers));
    let seen = line.upstream.seen();
    assert_eq!(Received::from(&seen[0]), Received::from(&seen[1]));
}
