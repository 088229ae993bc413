//! What a listener bounds: bodies in size and time, requests per connection, resets.

use http::Method;
use portcullis::core::config::ByteSize;
use portcullis_testkit::{Client, Outgoing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::door::*;
use crate::support::{Line, config, soon};

#[tokio::test]
async fn a_body_over_its_bound_is_answered_413() {
    let mut config = local("web");
    config.limits.max_body_bytes = ByteSize::bytes(10);
    let door = Door::open(&[config]).await;
    let known = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n";
    let reply = exchange(&mut door.connect().await, known).await.unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 413 "),
        "before a byte of it came: {reply}"
    );
    let chunked = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    let reply = exchange(&mut door.connect().await, chunked).await.unwrap();
    assert!(reply.ends_with(" body_too_large"), "{reply}");
    let url = format!("http://{}/", door.ip());
    for (length, says) in [(10, " 10"), (11, "body_too_large")] {
        let body = Outgoing::from(vec![b'a'; length]);
        let reply = Client::http2().send(Method::POST, &url, &[], body).await;
        let text = reply.unwrap().text();
        assert!(text.contains(says), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_answered_408() {
    let door = Door::open(&[local("web")]).await;
    let mut stream = door.connect().await;
    let begun = Instant::now();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc";
    stream.write_all(head).await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.ends_with(" body_timeout"), "{reply}");
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_call_whose_body_stops_coming_is_answered_in_its_dialect() {
    let limits = "limits: {bodyReadTimeout: 50ms, maxBodyBytes: 100}";
    let config = format!(
        "schemaVersion: 1\nlisteners: [{{name: web, address: \"127.0.0.1:0\", {limits}}}]\nroutes: [{{backend: {{echo: {{}}}}}}]\n"
    );
    let upstream = portcullis_testkit::Upstream::start().await.unwrap();
    let line = Line::configured(upstream, &config, |builder| builder).await;
    for (length, status) in [("99", "408"), ("101", "413")] {
        let mut stream = tokio::net::TcpStream::connect(line.running.addresses()[0].1)
            .await
            .unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{"
        );
        let reply = exchange(&mut stream, head.as_bytes()).await.unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert!(reply.contains("\r\n\r\n{\"error\":"), "{reply}");
    }
}

#[tokio::test]
async fn the_last_request_there_may_be_closes_its_connection() {
    let mut config = local("web");
    config.limits.max_requests_per_connection = Some(2);
    let door = Door::open(&[config]).await;
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let replies = exchange(&mut door.connect().await, &request.repeat(2))
        .await
        .unwrap();
    assert_eq!(replies.matches("200 OK").count(), 2);
    assert_eq!(replies.matches("connection: close").count(), 1, "{replies}");
    let mut client = http2(door.connect().await).await;
    for _ in 0..2 {
        assert_eq!(call(&client, "http://a/").await.0, 200);
    }
    soon("GOAWAY", async {
        while client.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn streams_opened_only_to_be_reset_end_their_connection() {
    let mut config = local("web");
    config.limits.http2.max_pending_resets = 5;
    let door = Door::open(&[config]).await;
    let mut stream = door.connect().await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for number in 0..200_u32 {
        let id = (2 * number + 1).to_be_bytes();
        // The head of `GET http://a/`, by the static table, and its reset.
        let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
        flood.extend([0, 0, 6, 1, 5]);
        flood.extend(id);
        flood.extend(head);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(id);
        flood.extend([0, 0, 0, 8]);
    }
    stream.write_all(&flood).await.unwrap();
    let mut reply = Vec::new();
    // A reset of the connection is an end too.
    let _ = soon("the end", stream.read_to_end(&mut reply)).await;
    let goaway = reply
        .windows(9)
        .any(|frame| frame[3] == 7 && frame[..3] != [0, 0, 0]);
    assert!(goaway, "{reply:?}");
    assert_eq!(
        call(&http2(door.connect().await).await, "http://a/")
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn an_upload_that_streams_to_its_upstream_is_bounded_too() {
    let upstream = portcullis_testkit::Upstream::start().await.unwrap();
    let limits = "address: \"127.0.0.1:0\", limits: {bodyReadTimeout: 50ms, maxBodyBytes: 100}";
    let config = config(&upstream, "").replace("address: \"127.0.0.1:0\"", limits);
    let line = Line::configured(upstream, &config, |builder| builder).await;
    for (size, status) in [("1", "408"), ("65", "413")] {
        let address = line.running.addresses()[0].1;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let chunk = "a".repeat(usize::from_str_radix(size, 16).unwrap());
        let head = format!(
            "POST /v1/files HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{size}\r\n{chunk}\r\n"
        );
        let reply = exchange(&mut stream, head.as_bytes()).await.unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert!(reply.contains("\r\n\r\n{\"error\":"), "{reply}");
    }
}
