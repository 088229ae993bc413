//! Heads: where a request says it goes, how large it may be, and how long it may take.

use std::fmt::Write;
use std::time::Duration;

use portcullis_testkit::Closed;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{CHAT, Case, Line, MAX_HEAD, MAX_HEADERS, post, read_all};

const CLOSE: &str = "connection: close\r\n";

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nx-request-id: t\r\n{CLOSE}{headers}\r\n")
}

#[tokio::test]
async fn a_request_has_one_host_and_the_target_wins_over_it() {
    let line = Line::start().await;
    let models = || {
        let seen = line.seen("GET /v1/models", "x-request-id: t\r\n", "");
        seen.replace("content-length: 0\r\n", "")
    };
    let refused = |name, send: String| Case::refused(name, 400, "host_invalid", send);
    let parser = |name, send: String| Case::refused(name, 400, "", send);
    let other = |name, send: String| Case {
        name,
        send: send.into(),
        client: vec![(418, "")],
        upstream: vec![],
    };
    line.run(vec![
        refused("none", get("/v1/models", "")),
        refused(
            "two",
            get("/v1/models", "host: a.test\r\nhost: other.test\r\n"),
        ),
        refused(
            "the same twice",
            get("/v1/models", "host: a.test\r\nhost: a.test\r\n"),
        ),
        refused(
            "user info",
            get("/v1/models", "host: other.test@a.test\r\n"),
        ),
        refused("a path", get("/v1/models", "host: a.test/other.test\r\n")),
        refused(
            "two names",
            get("/v1/models", "host: a.test, other.test\r\n"),
        ),
        refused("a space", get("/v1/models", "host: a.test other.test\r\n")),
        refused("beyond ASCII", get("/v1/models", "host: \u{e9}.test\r\n")),
        Case::passed(
            "any other",
            get("/v1/models", "host: a.test:80\r\n"),
            models(),
        ),
        other(
            "the listener's other one",
            get("/v1/models", "host: other.test\r\n"),
        ),
        Case::passed(
            "an absolute target against the host",
            get("http://a.test/v1/models", "host: other.test\r\n"),
            models(),
        ),
        other(
            "an absolute target for the other, against the host",
            get("http://other.test/v1/models", "host: a.test\r\n"),
        ),
        refused(
            "an absolute target without a host",
            get("http://a.test/v1/models", ""),
        ),
        refused(
            "an absolute target with user info",
            get("http://other.test@a.test/v1/models", "host: a.test\r\n"),
        ),
        parser(
            "a target with a space",
            get("/v1/models /etc", "host: a.test\r\n"),
        ),
        parser(
            "a target that is none",
            get("v1/models", "host: a.test\r\n"),
        ),
        parser(
            "a fragment of a URL",
            get("http:///v1/models", "host: a.test\r\n"),
        ),
    ])
    .await;
}

/// What no header can hold cannot be put into one, here or upstream.
#[tokio::test]
async fn no_line_is_injected_by_a_target_a_header_or_a_model() {
    let line = Line::start().await;
    let escaped = "/v1/models/m%0d%0ax-evil:%201?a=%0d%0ax-evil:%201";
    let seen = line
        .seen(&format!("GET {escaped}"), "x-request-id: t\r\n", "")
        .replace("content-length: 0\r\n", "");
    let host = "host: a.test\r\n";
    let body = r#"{"model":"m\r\nx-evil: 1","messages":[]}"#;
    line.run(vec![
        Case::passed(
            "an escaped line end in a target stays escaped",
            get(escaped, host),
            seen,
        ),
        Case::passed(
            "a line end in a model stays in the body",
            post(CLOSE, body),
            line.chat(body),
        ),
        Case::refused(
            "a raw one in a target",
            400,
            "",
            get("/v1/models\rx-evil: 1", host),
        ),
        Case::refused(
            "one in a method",
            400,
            "",
            "GE\rT / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        Case::refused(
            "a method that is none",
            400,
            "",
            "G{}T / HTTP/1.1\r\nhost: a\r\n\r\n",
        ),
        Case::passed(
            "an id that is unfit is replaced, and the tab in it reaches nobody",
            post("x-a: b\tc\r\nconnection: close\r\n", CHAT),
            line.seen(
                "POST /v1/chat/completions",
                "x-request-id: t\r\nx-a: b\tc\r\n",
                CHAT,
            ),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_large_head_is_refused_and_costs_no_upstream_call() {
    let line = Line::start().await;
    let one = format!("x-a: {}\r\n", "a".repeat(MAX_HEAD));
    let mut many = String::new();
    (0..MAX_HEADERS).for_each(|n| write!(many, "x-{n}: 1\r\n").unwrap());
    let same = "x-a: 1\r\n".repeat(MAX_HEADERS);
    let long = format!("/v1/models/{}", "m".repeat(70 << 10));
    line.run(vec![
        Case::refused("one large field", 431, "", post(&one, CHAT)),
        Case::refused("many fields", 431, "", post(&many, CHAT)),
        Case::refused("many of one name", 431, "", post(&same, CHAT)),
        Case::refused("a long target", 431, "", get(&long, "host: a\r\n")),
        Case::refused(
            "a long method",
            400,
            "",
            format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", "G{".repeat(40)),
        ),
    ])
    .await;
}

/// A head without end is cut off when it is too large, however it goes on.
#[tokio::test]
async fn an_endless_head_is_refused_while_it_comes() {
    let line = Line::start().await;
    let begin = "GET /v1/models HTTP/1.1\r\nhost: a\r\n";
    for (begin, more) in [
        (begin, "a"),
        (begin, "x-a: 1\r\n"),
        ("GET /", "a"),
        ("", "G"),
        ("", "\r\n"),
    ] {
        let mut socket = TcpStream::connect(line.addr).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        let (mut reader, mut writer) = socket.split();
        let (mut sent, piece) = (0_usize, more.repeat(4 << 10));
        while sent < 64 << 20 && writer.write_all(piece.as_bytes()).await.is_ok() {
            sent += piece.len();
        }
        assert!(
            sent < 32 << 20,
            "{more:?}: {sent} bytes of a head were taken"
        );
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut rest);
        let ended = tokio::time::timeout(crate::support::PATIENCE, read).await;
        assert!(ended.is_ok(), "{more:?}: the connection stays");
    }
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// Segments that an upstream may resolve to another path, under the gateway's credential, lead nowhere.
#[tokio::test]
async fn a_path_does_not_leave_the_upstreams_base() {
    let line = Line::start().await;
    for path in [
        "/v1/../admin",
        "/v1/models/../../admin",
        "/../v1/models",
        "/v1/./models",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/models/..%2f..%2fadmin",
        "/v1/models/..%5cadmin",
        "/v1/..\\admin",
        "/v1/..;/admin",
        "/v1/..;a=b/admin",
        "/v1/models/..",
    ] {
        let answer = line.talk(get(path, "host: a.test\r\n")).await;
        assert_eq!(answer.statuses(), [404], "{path}: {answer:?}");
        let seen = line.recorder.take();
        assert!(seen.is_empty(), "{path}: {seen:?}");
    }
    line.is_well().await;
}

/// Methods that are about the way and not about a call make no tunnel, and no call under another name.
#[tokio::test]
async fn a_tunnel_is_not_opened() {
    let line = Line::start().await;
    for first in [
        "CONNECT 127.0.0.1:22",
        "CONNECT other.test:443",
        "CONNECT /v1/models",
        "CONNECT http://other.test/",
        "GET 127.0.0.1:22",
        "TRACE /v1/models",
        "TRACE http://a.test/v1/chat/completions",
        "OPTIONS *",
        "PRI *",
    ] {
        let request = format!("{first} HTTP/1.1\r\nhost: a.test\r\n{CLOSE}\r\n");
        let answer = line.talk(request).await;
        assert!(
            answer.statuses().iter().all(|s| *s >= 400),
            "{first}: {answer:?}"
        );
        assert_ne!(answer.closed, Closed::Open, "{first}");
        let seen = line.recorder.take();
        assert!(seen.is_empty(), "{first}: {seen:?}");
    }
    line.is_well().await;
}

/// Bytes that come one by one do not keep a connection longer than its patience.
#[tokio::test]
async fn a_slow_head_is_cut_and_so_is_silence() {
    let line = Line::start().await;
    for begin in [
        "",
        "G",
        "GET /v1/models HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n",
        "\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(line.addr).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        let answer = read_all(&mut socket).await;
        assert_ne!(answer.closed, Closed::Open, "{begin:?}");
        assert!(
            answer.statuses().iter().all(|s| *s >= 400),
            "{begin:?}: {answer:?}"
        );
    }
    let mut socket = TcpStream::connect(line.addr).await.unwrap();
    let begin = "GET /v1/models HTTP/1.1\r\nx-a: ";
    socket.write_all(begin.as_bytes()).await.unwrap();
    let mut often = tokio::time::interval(Duration::from_millis(20));
    let mut written = 0;
    while socket.write_all(b"a").await.is_ok() {
        written += 1;
        assert!(written < 500, "ten seconds of a head were waited for");
        often.tick().await;
    }
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}
