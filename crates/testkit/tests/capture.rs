//! What the upstream remembers of its callers.

use std::time::Duration;

use http::{Method, Version};
use portcullis_testkit::{Client, Closed, Ended, Fault, Outgoing, Script, Upstream, raw_exchange};

const LONG: Duration = Duration::from_secs(20);
const ASK: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn heads_are_kept_as_written() {
    let upstream = Upstream::start().await.unwrap();
    let head = "POST /v1/files?a=1 HTTP/1.1\r\nX-B: 1\r\nhost:x\r\nX-A:  two  \r\nx-b: 3\r\n\
        Connection: close\r\nContent-Length: 4\r\n\r\n";
    let reply = raw_exchange(upstream.addr(), format!("{head}body").as_bytes(), LONG)
        .await
        .unwrap();
    assert_eq!(reply.closed, Closed::Fin);
    assert!(reply.bytes.starts_with(b"HTTP/1.1 400"));
    let seen = upstream.seen().remove(0);
    assert_eq!(seen.raw_head.as_deref(), Some(head.as_bytes()));
    let names: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["X-B", "host", "X-A", "x-b", "Connection", "Content-Length"]
    );
    assert_eq!(
        (seen.header("x-a"), &seen.body[..]),
        (Some("two"), &b"body"[..])
    );
    assert_eq!((seen.path(), seen.status), ("/v1/files", Some(400)));
}

#[tokio::test]
async fn requests_on_one_connection_keep_their_own_heads() {
    let upstream = Upstream::start().await.unwrap();
    let url = format!("{}/v1/chat/completions", upstream.url());
    let mut connection = Client::new().connect(&url).await.unwrap();
    for turn in ["a", "b"] {
        let reply = connection
            .send(Method::POST, &url, &[("x-turn", turn)], ASK)
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
    }
    Client::new().post(&url, ASK).await.unwrap();
    let seen = upstream.seen();
    let connections: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
    assert_eq!((connections, upstream.connections()), (vec![0, 0, 1], 2));
    let head = seen[1].raw_head.clone().unwrap();
    assert!(head.starts_with(b"POST ") && head.ends_with(b"\r\n\r\n"));
    assert_eq!(
        (seen[0].header("x-turn"), seen[1].header("x-turn")),
        (Some("a"), Some("b"))
    );
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_answered_the_same() {
    let upstream = Upstream::start().await.unwrap();
    let url = format!("{}/v1/chat/completions", upstream.url());
    let one = Client::new().post(&url, ASK).await.unwrap();
    let two = Client::http2().post(&url, ASK).await.unwrap();
    assert_eq!(one.body, two.body);
    let seen = upstream.seen();
    assert_eq!(
        (seen[1].version, seen[1].path()),
        (Version::HTTP_2, "/v1/chat/completions")
    );
    assert!(seen[1].raw_head.is_none());

    let paced = [
        ("x-fault", "stall-after-2"),
        ("content-type", "application/json"),
    ];
    let ask = ASK.replace("{\"model", "{\"stream\":true,\"model");
    let mut reply = Client::http2()
        .stream(Method::POST, &url, &paced, ask)
        .await
        .unwrap();
    assert!(reply.next_chunk().await.unwrap().is_some());
    reply.hang_up();
    assert!(upstream.wait_for_cancel(LONG).await.is_some());
}

#[tokio::test]
async fn an_upload_left_in_the_middle_is_cancelled_with_what_arrived() {
    let upstream = Upstream::start().await.unwrap();
    let (mut upload, body) = Outgoing::upload();
    let url = format!("{}/v1/files", upstream.url());
    let sending =
        tokio::spawn(async move { Client::new().send(Method::POST, &url, &[], body).await });
    upload.write("half").await.unwrap();
    upload.write(" of it").await.unwrap();
    upload.write("!").await.unwrap();
    upstream.wait_for_seen(1, LONG).await;
    sending.abort();
    let seen = upstream.wait_for_cancel(LONG).await.unwrap();
    assert!(b"half of it!".starts_with(&seen.body[..]));
    assert_eq!(seen.status, None);
}

#[tokio::test]
async fn subscribers_hear_of_every_end_and_forgetting_keeps_the_running() {
    let upstream = Upstream::start().await.unwrap();
    let mut ended = upstream.subscribe();
    upstream.script(Script::new().then(Fault::StallAfter(1)));
    let url = format!("{}/v1/chat/completions", upstream.url());
    let stalled = Client::new()
        .stream(Method::POST, &url, &[], ASK)
        .await
        .unwrap();
    Client::new().post(&url, ASK).await.unwrap();
    let first = ended.recv().await.unwrap();
    assert_eq!((first.number, first.ended), (1, Ended::Completed));
    upstream.forget();
    assert_eq!(upstream.seen().len(), 1);
    stalled.hang_up();
    let second = ended.recv().await.unwrap();
    assert_eq!((second.number, second.ended), (0, Ended::Cancelled));
}

#[tokio::test]
async fn without_capture_only_the_meter_runs() {
    let upstream = Upstream::start().await.unwrap();
    upstream.capture(false);
    let url = format!("{}/v1/chat/completions", upstream.url());
    Client::new().post(&url, ASK).await.unwrap();
    assert!(upstream.seen().is_empty());
    assert_eq!((upstream.meter().requests, upstream.meter().billed), (1, 1));
}

#[tokio::test]
async fn a_dropped_upstream_closes_its_connections() {
    let upstream = Upstream::start().await.unwrap();
    let url = format!("{}/v1/chat/completions", upstream.url());
    let headers = [("x-fault", "headers-then-silent")];
    let reply = Client::new()
        .stream(Method::POST, &url, &headers, ASK)
        .await
        .unwrap();
    drop(upstream);
    let (_, proper) = reply.drain().await;
    assert!(!proper);
    assert!(Client::new().get(&url).await.is_err());
}
