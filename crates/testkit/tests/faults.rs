//! Every way the upstream fails, seen from a client's socket.

use std::{io, time::Duration};

use bytes::Bytes;
use http::Method;
use portcullis_testkit::{
    Behaviour, Break, Chunking, Client, Closed, Ended, Fault, Outgoing, Pacing, RawReply, Reply,
    Script, Streaming, Upstream, raw_exchange, shapes, unused_addr,
};

const LONG: Duration = Duration::from_secs(20);
const ASK: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const ASK_WHOLE: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

async fn scripted(behaviour: impl Into<Behaviour>) -> Upstream {
    let upstream = Upstream::start().await.expect("a loopback port is free");
    upstream.script(Script::new().then(behaviour));
    upstream
}

fn url(upstream: &Upstream) -> String {
    format!("{}/v1/chat/completions", upstream.url())
}

async fn stream(upstream: &Upstream) -> io::Result<Streaming> {
    Client::new()
        .stream(Method::POST, &url(upstream), &[], ASK)
        .await
}

async fn send(upstream: &Upstream, ask: &'static str) -> io::Result<Reply> {
    Client::new().post(&url(upstream), ask).await
}

async fn raw(upstream: &Upstream, ask: &str) -> RawReply {
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length";
    let bytes = format!("{head}: {}\r\n\r\n{ask}", ask.len());
    raw_exchange(upstream.addr(), bytes.as_bytes(), LONG)
        .await
        .expect("the upstream listens")
}

fn events(body: &Bytes) -> usize {
    memchr::memmem::find_iter(body, b"\n\n").count()
}

#[tokio::test]
async fn nobody_listens_at_an_unused_address() {
    let refused = Client::new()
        .get(&format!("http://{}/", unused_addr().await.unwrap()))
        .await;
    assert_eq!(
        refused.unwrap_err().kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn reset_sends_nothing_but_a_reset() {
    let upstream = scripted(Fault::Reset).await;
    let reply = raw(&upstream, ASK).await;
    assert_eq!((reply.bytes.len(), reply.closed), (0, Closed::Reset));
    assert_eq!(upstream.seen()[0].ended, Ended::Broken);
}

#[tokio::test]
async fn garbage_is_not_http() {
    let upstream = scripted(Fault::NotHttp).await;
    let reply = raw(&upstream, ASK).await;
    assert!(!reply.bytes.is_empty() && !reply.bytes.starts_with(b"HTTP"));
    assert_eq!(reply.closed, Closed::Fin);
}

#[tokio::test]
async fn a_silent_upstream_notices_that_the_client_left() {
    let upstream = scripted(Fault::Silent).await;
    let asking = tokio::spawn({
        let url = url(&upstream);
        async move { Client::new().post(&url, ASK).await }
    });
    upstream.wait_for_seen(1, LONG).await;
    asking.abort();
    assert!(upstream.wait_for_cancel(LONG).await.is_some());
    assert_eq!(upstream.meter().billed, 0);
}

#[tokio::test]
async fn headers_then_silence_until_the_client_leaves() {
    let upstream = scripted(Fault::HeadThenSilent).await;
    let reply = stream(&upstream).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.seen()[0].ended, Ended::Running);
    reply.hang_up();
    assert_eq!(
        upstream.wait_for_cancel(LONG).await.unwrap().status,
        Some(200)
    );
}

#[tokio::test]
async fn a_slow_first_byte_comes_in_the_end() {
    let upstream = scripted(Fault::SlowFirstByte(Duration::from_millis(20))).await;
    assert_eq!(send(&upstream, ASK_WHOLE).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stalled_stream_has_sent_its_events_and_bills_only_them() {
    let upstream = scripted(Fault::StallAfter(3)).await;
    let mut reply = stream(&upstream).await.unwrap();
    for _ in 0..3 {
        assert_eq!(events(&reply.next_chunk().await.unwrap().unwrap()), 1);
    }
    reply.hang_up();
    upstream.wait_for_cancel(LONG).await.unwrap();
    assert_eq!(upstream.meter().output_tokens, 2);
}

#[tokio::test]
async fn a_cut_stream_has_its_events_and_no_last_chunk() {
    for (how, closed) in [(Break::Fin, Closed::Fin), (Break::Reset, Closed::Reset)] {
        let upstream = scripted(Fault::CutAfter(3, how)).await;
        let reply = raw(&upstream, ASK).await;
        assert_eq!(reply.closed, closed);
        assert_eq!(events(&reply.bytes.clone().into()), 3);
        assert!(!reply.bytes.ends_with(b"0\r\n\r\n"));
        assert_eq!(upstream.seen()[0].ended, Ended::Broken);
    }
    let upstream = scripted(Fault::CutAfter(3, Break::Fin)).await;
    let (body, proper) = stream(&upstream).await.unwrap().drain().await;
    assert_eq!((events(&body), proper), (3, false));
}

#[tokio::test]
async fn a_cut_reply_is_shorter_than_declared() {
    for fault in [
        Fault::CutAfter(1, Break::Fin),
        Fault::CutAfterBytes(9, Break::Reset),
    ] {
        let upstream = scripted(fault).await;
        assert!(send(&upstream, ASK_WHOLE).await.is_err());
        assert_eq!(upstream.seen()[0].ended, Ended::Broken);
    }
    let upstream = scripted(Fault::CutAfter(0, Break::Fin)).await;
    let reply = raw(&upstream, ASK_WHOLE).await;
    assert!(reply.bytes.starts_with(b"HTTP/1.1 200") && reply.bytes.ends_with(b"\r\n\r\n"));
}

#[tokio::test]
async fn a_garbage_event_stands_among_good_ones() {
    let upstream = scripted(Fault::GarbageEvent(2)).await;
    let reply = send(&upstream, ASK).await.unwrap();
    let bad = |event: &&str| serde_json::from_str::<serde_json::Value>(event).is_err();
    let text = reply.text();
    let data: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let bad: Vec<_> = data.iter().filter(|data| bad(data)).collect();
    assert_eq!((bad.len(), bad[0], bad[1]), (2, &data[2], &"[DONE]"));
}

#[tokio::test]
async fn error_events_and_missing_sentinels_end_the_message_properly() {
    let upstream = scripted(Fault::ErrorEvent(2)).await;
    let reply = send(&upstream, ASK).await.unwrap();
    assert_eq!(events(&reply.body), 3);
    assert!(reply.text().contains("\"error\"") && !reply.text().contains("[DONE]"));
    let upstream = scripted(Fault::NoSentinel).await;
    let reply = send(&upstream, ASK).await.unwrap();
    assert!(reply.text().contains("\"stop\"") && !reply.text().contains("[DONE]"));
}

#[tokio::test]
async fn error_statuses_come_in_turn_and_then_all_is_well() {
    let upstream = Upstream::start().await.unwrap();
    let limited = Fault::status(429).retry_after("2");
    upstream.script(
        Script::new()
            .then(limited)
            .then(Fault::status(500))
            .then(Fault::status(529)),
    );
    let first = send(&upstream, ASK_WHOLE).await.unwrap();
    assert_eq!(
        (first.status.as_u16(), first.header("retry-after")),
        (429, Some("2"))
    );
    assert_eq!(first.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(send(&upstream, ASK_WHOLE).await.unwrap().status, 500);
    assert_eq!(send(&upstream, ASK_WHOLE).await.unwrap().status, 529);
    assert_eq!(send(&upstream, ASK_WHOLE).await.unwrap().status, 200);
    assert_eq!(upstream.meter().billed, 1);
}

#[tokio::test]
async fn an_early_reply_comes_before_the_upload_ends() {
    let upstream = scripted(Fault::EarlyReply(413)).await;
    let (mut upload, body) = Outgoing::upload();
    upload.write("first ").await.unwrap();
    let url = format!("{}/v1/files", upstream.url());
    let reply = Client::new()
        .stream(Method::POST, &url, &[], body)
        .await
        .unwrap();
    assert_eq!(reply.status, 413);
    upload.write("second").await.unwrap();
    drop(upload);
    let whole = upstream
        .wait_for(LONG, |seen| seen.body == "first second")
        .await;
    assert_eq!(whole.unwrap().ended, Ended::Completed);
}

#[tokio::test]
async fn pacing_moves_chunks_and_changes_no_byte() {
    let upstream = Upstream::start().await.unwrap();
    let expected = send(&upstream, ASK).await.unwrap().body;
    let splits = [
        (Chunking::OneWrite, 1),
        (Chunking::PerEvent, events(&expected)),
        (Chunking::EveryBytes(7), expected.len().div_ceil(7)),
    ];
    for (chunking, count) in splits {
        let pacing = Pacing::new(chunking).delay(Duration::from_micros(1));
        upstream.script(Script::new().then(pacing));
        let mut reply = stream(&upstream).await.unwrap();
        let mut chunks = Vec::new();
        while let Some(chunk) = reply.next_chunk().await.unwrap() {
            chunks.push(chunk);
        }
        assert_eq!(
            (chunks.len(), chunks.concat()),
            (count, expected.to_vec()),
            "{chunking:?}"
        );
    }
}

#[tokio::test]
async fn request_headers_script_single_replies() {
    let upstream = Upstream::start().await.unwrap();
    upstream.script(Script::new().always(Fault::status(503)));
    let turns = [("x-fault", "status-500, ok"), ("x-fault-id", "one")];
    let cases: [(&[(&str, &str)], u16); 6] = [
        (&turns, 500),
        (&turns, 200),
        (&turns, 200),
        (&[("x-shape", "messages-error-529")], 529),
        (&[("x-fault", "what")], 400),
        (&[], 503),
    ];
    for (headers, status) in cases {
        let reply = Client::new()
            .send(Method::POST, &url(&upstream), headers, ASK_WHOLE)
            .await;
        assert_eq!(reply.unwrap().status, status, "{headers:?}");
    }
    let wordy = [("x-words", "3"), ("x-fault", "ok")];
    let reply = Client::new()
        .send(Method::POST, &url(&upstream), &wordy, ASK_WHOLE)
        .await
        .unwrap();
    assert_eq!(
        reply.json()["choices"][0]["message"]["content"],
        "word1 word2 word3"
    );
}

#[tokio::test]
async fn every_shape_is_served_byte_for_byte_however_it_is_split() {
    let upstream = Upstream::start().await.unwrap();
    for (number, shape) in shapes().iter().enumerate() {
        let url = format!("{}{}", upstream.url(), shape.path);
        let pace = ["per-event", "one-write", "every-997"][number % 3];
        let mut headers = shape.request_headers.clone();
        headers.extend([("x-shape", shape.name), ("x-pace", pace)]);
        let body = shape.request_body;
        let reply = Client::new()
            .send(shape.method.clone(), &url, &headers, body)
            .await
            .unwrap();
        assert_eq!(reply.status, shape.status, "{}", shape.name);
        assert_eq!(reply.body, shape.response_body, "{}", shape.name);
        for (name, value) in &shape.response_headers {
            assert_eq!(reply.header(name), Some(*value), "{}", shape.name);
        }
        assert_eq!(
            upstream.seen()[number].body,
            shape.request_body,
            "{}",
            shape.name
        );
    }
    upstream.serve_shape("chat-plain");
    let before = upstream.meter();
    assert!(
        send(&upstream, ASK)
            .await
            .unwrap()
            .text()
            .contains("Danube")
    );
    assert_eq!(upstream.meter().input_tokens - before.input_tokens, 14);
}
