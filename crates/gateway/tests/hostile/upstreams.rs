//! Upstreams that send garbage, too much, too little, or more than was asked.

use portcullis_testkit::Closed;

use crate::recorder::{Script, Then};
use crate::support::{Answer, Line, MAX_HEAD, post};

const CALL: &str =
    r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}"#;

async fn answered(line: &Line, bytes: impl Into<Vec<u8>>, then: Then) -> Answer {
    line.recorder.answer(Script::new(bytes, then));
    line.talk(post("connection: close\r\n", CALL)).await
}

/// A reply that cannot be read is an error in the caller's dialect, and the connection is not used again.
#[tokio::test]
async fn garbage_is_answered_with_an_error() {
    let line = Line::start().await;
    let large = format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-a: 1\r\n".repeat(10_000));
    let cases: &[(&str, &[u8])] = &[
        (
            "a folded header",
            b"HTTP/1.1 200 OK\r\nx-a: 1\r\n x-b: 2\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a bare CR in a header",
            b"HTTP/1.1 200 OK\r\nx-a: 1\rx-b: 2\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "a null in a header",
            b"HTTP/1.1 200 OK\r\nx-a: 1\0\r\ncontent-length: 0\r\n\r\n",
        ),
        ("noise", b"\x00\xff\x16\x03\x01 what is this\r\n\r\n"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("a page without a head", b"<html>hello</html>\r\n\r\n"),
        ("no status", b"HTTP/1.1 \r\n\r\n"),
        ("a status that is none", b"HTTP/1.1 99 No\r\n\r\n"),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("an unknown version", b"HTTP/3.1 200 OK\r\n\r\n"),
        (
            "a header that is none",
            b"HTTP/1.1 200 OK\r\nx a\0: 1\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        (
            "a length that is none",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nab",
        ),
        ("a large head", large.as_bytes()),
        ("many fields", many.as_bytes()),
        ("half a head", b"HTTP/1.1 200 OK\r\nx-a: 1"),
        ("nothing", b""),
        (
            "an interim reply and nothing",
            b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        ),
        (
            "an upgrade nobody asked for",
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        ),
        ("an HTTP/2 preface", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
    ];
    for (name, bytes) in cases {
        for then in [Then::Close, Then::Reset] {
            let answer = answered(&line, *bytes, then).await;
            let [reply] = &answer.replies[..] else {
                panic!("{name}: {answer:?}")
            };
            assert_eq!(reply.status, 502, "{name}: {reply:?}");
            assert_eq!(
                reply.header("portcullis-error"),
                Some("upstream_broken"),
                "{name}: {reply:?}"
            );
            assert!(reply.body.starts_with(r#"{"error":{"#), "{name}: {reply:?}");
            assert_eq!(answer.closed, Closed::Fin, "{name}");
            assert_eq!(
                line.recorder.take(),
                [line.chat(CALL)],
                "{name}: it is not asked twice"
            );
        }
    }
}

/// A body that is not as long as promised, or ends within a chunk, is never taken for a whole one.
#[tokio::test]
async fn a_document_that_is_cut_is_an_error() {
    let line = Line::start().await;
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let cases = [
        (
            "a length too long",
            format!("{json}content-length: 100\r\n\r\n{{}}"),
        ),
        (
            "a chunk cut",
            format!("{json}transfer-encoding: chunked\r\n\r\n5\r\n{{}}"),
        ),
        (
            "no last chunk",
            format!("{json}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
        ),
        (
            "a chunk size that is none",
            format!("{json}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk too short",
            format!("{json}transfer-encoding: chunked\r\n\r\n1\r\n{{}}\r\n0\r\n\r\n"),
        ),
        (
            "endless trailers",
            format!(
                "{json}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n{}",
                "a: b\r\n".repeat(1 << 15)
            ),
        ),
    ];
    for (name, bytes) in cases {
        let answer = answered(&line, bytes, Then::Close).await;
        let [reply] = &answer.replies[..] else {
            panic!("{name}: {answer:?}")
        };
        assert_eq!(reply.status, 502, "{name}: {reply:?}");
        assert!(reply.body.starts_with(r#"{"error":{"#), "{name}: {reply:?}");
        assert_eq!(answer.closed, Closed::Fin, "{name}");
    }
}

/// What an upstream sends behind its reply is not the reply to the next call.
#[tokio::test]
async fn a_reply_nobody_asked_for_is_nobodys() {
    let line = Line::start().await;
    let one =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    let planted = one.replace(":1}", ":9}");
    for behind in [planted.as_str(), "noise", "\r\n", "HTTP/1.1 200 OK\r\n"] {
        line.recorder
            .answer(Script::new(format!("{one}{behind}"), Then::Keep));
        let first = line.talk(post("connection: close\r\n", CALL)).await;
        assert_eq!(first.replies[0].body, r#"{"a":1}"#, "{behind:?}");
        line.recorder.answer(Script::new(one, Then::Keep));
        let second = line.talk(post("connection: close\r\n", CALL)).await;
        assert_eq!(second.statuses(), [200], "{behind:?}: {second:?}");
        assert_eq!(second.replies[0].body, r#"{"a":1}"#, "{behind:?}");
    }
}

/// A body where HTTP has none is not the beginning of the next reply.
#[tokio::test]
async fn a_body_behind_a_reply_without_one_is_nobodys() {
    let line = Line::start().await;
    let planted = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":9}";
    let one =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    for status in ["204 No Content", "304 Not Modified", "205 Reset Content"] {
        let length = planted.len();
        let bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{planted}");
        line.recorder.answer(Script::new(bytes, Then::Keep));
        let first = line.talk(post("connection: close\r\n", CALL)).await;
        assert!(!first.replies.is_empty(), "{status}: {first:?}");
        line.recorder.answer(Script::new(one, Then::Keep));
        let second = line.talk(post("connection: close\r\n", CALL)).await;
        assert_eq!(second.statuses(), [200], "{status}: {second:?}");
        assert_eq!(second.replies[0].body, r#"{"a":1}"#, "{status}: {second:?}");
    }
}

/// Both lengths, or chunks in an old reply: framed one way for us, framed anew for the client.
#[tokio::test]
async fn a_reply_framed_twice_is_framed_once_for_the_client() {
    let line = Line::start().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let both = format!(
        "{head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{{\"a\":1}}\r\n0\r\n\r\n"
    );
    let answer = answered(&line, both, Then::Close).await;
    let [reply] = &answer.replies[..] else {
        panic!("{answer:?}")
    };
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"a":1}"#));
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(answer.rest, "");
}

/// Replies larger than the gateway holds, and heads without end, are cut where the bound is.
#[tokio::test]
async fn a_reply_without_end_is_cut() {
    let line = Line::start().await;
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let much = format!("{json}\r\n{}", "x".repeat(2 << 20));
    let promised = format!("{json}content-length: 99999999999\r\n\r\n{{");
    for bytes in [much, promised] {
        let answer = answered(&line, bytes, Then::Close).await;
        let [reply] = &answer.replies[..] else {
            panic!("{answer:?}")
        };
        assert_eq!(reply.status, 502);
        assert_eq!(
            reply.header("portcullis-error"),
            Some("upstream_too_large"),
            "{reply:?}"
        );
    }
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(MAX_HEAD);
    let answer = answered(&line, interim, Then::Close).await;
    assert_eq!(answer.statuses(), [502], "{answer:?}");
}

/// A stream's bytes go on as they are, whatever they are, and one that is cut does not end well.
#[tokio::test]
async fn a_hostile_stream_is_passed_or_cut_but_never_made_whole() {
    let line = Line::start().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    let done = "data: [DONE]\n\n";
    let cases: [(&str, String, bool); 6] = [
        (
            "events that are none",
            format!("\u{feff}: \0\x01\ndata: \u{fffd}{{\n\nfoo\n\n{done}"),
            true,
        ),
        (
            "an event in an event",
            format!("data: a\rdata: b\n\n{chunk}{done}"),
            true,
        ),
        (
            "surrogates",
            chunk.replace("\"a\"", "\"\\ud800\"") + done,
            true,
        ),
        ("cut within an event", chunk[..20].to_owned(), false),
        ("no sentinel", chunk.to_owned(), false),
        (
            "an event without end",
            "data: ".to_owned() + &"x".repeat(20 << 20),
            false,
        ),
    ];
    for (name, body, whole) in cases {
        let answer = answered(&line, format!("{head}\r\n{body}"), Then::Close).await;
        assert_ne!(answer.closed, Closed::Open, "{name}");
        let text = answer.replies.first().map_or(&answer.rest, |r| &r.body);
        assert_eq!(text.contains("[DONE]"), whole, "{name}: {text:.300}");
        assert_eq!(text.contains("\"error\""), !whole, "{name}: {text:.300}");
    }
}
