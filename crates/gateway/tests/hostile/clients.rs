//! Clients that leave, wait, do not listen, or send too soon.

use std::time::Duration;

use portcullis_testkit::Closed;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::recorder::{ANSWER, Script, Then, When};
use crate::support::{CHAT, Case, Line, PATIENCE, post, post_raw, read_all, soon};

const CLOSE: &str = "connection: close\r\n";

/// A client that has closed its side after its request gets the whole reply, and then a clean close.
#[tokio::test]
async fn a_half_closed_client_gets_its_whole_reply() {
    let line = Line::start().await;
    for headers in ["", CLOSE] {
        let answer = line.talk_and_finish(post(headers, CHAT)).await;
        assert_eq!(answer.statuses(), [200], "{answer:?}");
        assert_eq!((answer.closed, answer.rest.as_str()), (Closed::Fin, ""));
        assert_eq!(line.recorder.take(), [line.chat(CHAT)]);
    }
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\n";
    let answer = line.talk_and_finish(head).await;
    assert_ne!(answer.closed, Closed::Open);
    assert!(answer.statuses().iter().all(|s| *s == 400), "{answer:?}");
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// What stands behind a refused request on its connection is not read as the next one, unless the body of
/// the refused one was read to its end.
#[tokio::test]
async fn nothing_is_smuggled_behind_an_error() {
    let line = Line::start().await;
    let next = post(CLOSE, CHAT);
    let seen = || vec![line.chat(CHAT)];
    let both = |name, first: String, client| Case {
        name,
        send: format!("{first}{next}").into(),
        client,
        upstream: seen(),
    };
    let none = |name, first: String, client| Case {
        name,
        send: format!("{first}{next}").into(),
        client,
        upstream: vec![],
    };
    let bad_head = post_raw("x a: 1\r\ncontent-length: 5\r\n", "12345");
    let bad_chunk = post_raw("transfer-encoding: chunked\r\n", "5\r\n12345X\r\n0\r\n\r\n");
    let no_route = post("host: second.test\r\n", CHAT);
    let coded = post_raw(
        "transfer-encoding: gzip, chunked\r\n",
        "5\r\n12345\r\n0\r\n\r\n",
    );
    line.run(vec![
        both(
            "a document that is none",
            post("", "12345"),
            vec![(400, "body_not_json"), (200, "")],
        ),
        none("a head that is none", bad_head, vec![(400, "")]),
        none(
            "a chunk that is none",
            bad_chunk,
            vec![(400, "body_broken")],
        ),
        both(
            "two hosts",
            no_route,
            vec![(400, "host_invalid"), (200, "")],
        ),
        none(
            "another coding",
            coded,
            vec![(400, "transfer_encoding_refused")],
        ),
    ])
    .await;
}

/// Requests sent without waiting are answered in order, one upstream call each.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let line = Line::start().await;
    let body = |n: usize| format!(r#"{{"model":"m{n}","messages":[]}}"#);
    let mut send: String = (0..20).map(|n| post("", &body(n))).collect();
    send.push_str(&post(CLOSE, CHAT));
    let mut upstream: Vec<_> = (0..20).map(|n| line.chat(&body(n))).collect();
    upstream.push(line.chat(CHAT));
    line.run(vec![Case {
        name: "21 at once",
        send: send.into(),
        client: vec![(200, ""); 21],
        upstream,
    }])
    .await;
}

/// An upload that is refused while it comes: the answer arrives, and the rest is not taken for a request.
#[tokio::test]
async fn an_early_answer_to_an_upload_reaches_the_client() {
    let line = Line::start().await;
    let early =
        b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n";
    line.recorder.answer(Script {
        when: When::Head,
        bytes: early.to_vec(),
        then: Then::Hold,
    });
    let size = 64_usize << 20;
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: gateway.test\r\nx-request-id: t\r\ncontent-length: {size}\r\n\r\n"
    );
    let mut socket = TcpStream::connect(line.addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let sent = async {
        let mut sent = 0;
        let piece = post("", CHAT).repeat(200);
        while sent < size && writer.write_all(piece.as_bytes()).await.is_ok() {
            sent += piece.len();
        }
    };
    let read = async {
        let mut bytes = vec![0; 4 << 10];
        let n = reader.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    };
    let answer = soon("the early answer", async {
        tokio::select! {
            biased;
            answer = read => answer,
            () = sent => String::new(),
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        line.recorder.bytes() < size / 2,
        "{}",
        line.recorder.bytes()
    );
    let seen = line.recorder.take().concat();
    assert_eq!(seen.matches("POST /v1/files").count(), 1);
}

/// A client that never reads its answers keeps neither the others waiting nor its answers in memory.
#[tokio::test]
async fn a_client_that_does_not_read_harms_nobody() {
    let line = Line::start().await;
    let large = vec![b'x'; 512 << 10];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", large.len());
    line.recorder
        .answer(Script::new([head.as_bytes(), &large].concat(), Then::Keep));
    let mut socket = TcpStream::connect(line.addr).await.unwrap();
    let one = post("", CHAT);
    let write = async {
        for _ in 0..10_000 {
            socket.write_all(one.as_bytes()).await.unwrap();
        }
    };
    // The gateway stops reading: the writer gets stuck, and far fewer calls were made.
    tokio::time::timeout(Duration::from_millis(800), write)
        .await
        .ok();
    let calls = line.recorder.take().len();
    assert!(
        calls < 100,
        "{calls} answers were fetched for a client that reads none"
    );
    line.recorder.answer(Script::new(ANSWER, Then::Keep));
    line.recorder.take();
    let answer = line.talk(post(CLOSE, CHAT)).await;
    assert_eq!(answer.statuses(), [200]);
}

/// A body that does not come on is given up when the call's time is over.
#[tokio::test]
async fn a_slow_body_ends_with_the_calls_time() {
    let line = Line::with("{timeouts: {request: 500ms}}").await;
    let mut socket = TcpStream::connect(line.addr).await.unwrap();
    let begin = post_raw("content-length: 1000\r\n", "{");
    socket.write_all(begin.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let trickle = async {
        let mut often = tokio::time::interval(Duration::from_millis(20));
        while writer.write_all(b" ").await.is_ok() {
            often.tick().await;
        }
    };
    let mut bytes = vec![0; 4 << 10];
    let read = tokio::time::timeout(PATIENCE, reader.read(&mut bytes));
    let n = tokio::select! {
        n = read => n.unwrap().unwrap(),
        () = trickle => 0,
    };
    let answer = String::from_utf8_lossy(&bytes[..n]);
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("call_timeout"), "{answer}");
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// A client that asks whether to send a body it never sends is cut when idle long enough, not kept.
#[tokio::test]
async fn an_expectation_without_a_body_makes_no_call() {
    let line = Line::with("{timeouts: {request: 500ms}}").await;
    let mut socket = TcpStream::connect(line.addr).await.unwrap();
    let begin = post_raw(
        "content-length: 27\r\nexpect: 100-continue\r\nconnection: close\r\n",
        "",
    );
    socket.write_all(begin.as_bytes()).await.unwrap();
    let answer = read_all(&mut socket).await;
    assert_eq!(answer.statuses(), [100, 504], "{answer:?}");
    assert_ne!(answer.closed, Closed::Open);
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// Clients that connect and reset at once, or in the middle of a request, cost nobody else anything.
#[tokio::test]
async fn resets_at_every_point_leave_the_gateway_well() {
    let line = Line::start().await;
    let whole = post("", CHAT);
    for at in (0..=whole.len()).step_by(7) {
        let mut socket = TcpStream::connect(line.addr).await.unwrap();
        socket.write_all(&whole.as_bytes()[..at]).await.unwrap();
        socket.set_zero_linger().unwrap();
    }
    line.is_well().await;
}
