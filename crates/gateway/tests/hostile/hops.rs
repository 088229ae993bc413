//! Headers that end at the gateway, and those a caller must not set for the upstream.

use crate::recorder::{Script, Then};
use crate::support::{CHAT, Case, Line, post};

#[tokio::test]
async fn headers_of_one_hop_and_those_named_by_connection_stay_here() {
    let line = Line::start().await;
    let plain = || line.chat(CHAT);
    let passed = |name, headers: &str| {
        let headers = if headers.contains("close") {
            headers.to_owned()
        } else {
            format!("{headers}connection: close\r\n")
        };
        Case::passed(name, post(&headers, CHAT), plain())
    };
    line.run(vec![
        passed("keep-alive", "keep-alive: timeout=600\r\n"),
        passed("te", "te: trailers, gzip\r\n"),
        passed("trailer", "trailer: x-a\r\n"),
        passed("proxy-connection", "proxy-connection: keep-alive\r\n"),
        passed(
            "named by connection",
            "x-a: 1\r\nx-b: 2\r\nconnection: X-A, x-b, close\r\n",
        ),
        passed(
            "named on two lines",
            "x-a: 1\r\nconnection: x-a\r\nconnection: close\r\n",
        ),
        passed(
            "named with nonsense around",
            "x-a: 1\r\nconnection: ,, \t,x-a,(),close\r\n",
        ),
        passed(
            "named before it comes",
            "connection: close, x-a\r\nx-a: 1\r\nx-a: 2\r\n",
        ),
        passed("an expectation", "expect: 100-continue\r\n").interim(),
        passed("another expectation", "expect: the-moon\r\n"),
    ])
    .await;
}

/// Naming the gateway's own headers as hop by hop does not take them off.
#[tokio::test]
async fn what_the_gateway_puts_on_cannot_be_named_away() {
    let line = Line::start().await;
    for name in ["authorization", "host", "content-length", "x-request-id"] {
        let call = post(&format!("connection: close, {name}\r\n"), CHAT);
        let answer = line.talk(call).await;
        assert_eq!(answer.statuses(), [200], "{name}");
        let seen = line.recorder.take();
        assert_eq!(seen.len(), 1, "{name}");
        let host = format!("\r\nhost: {}\r\n", line.recorder.addr);
        for wanted in [
            "\r\nauthorization: Bearer sk-ours\r\n",
            &host,
            "\r\ncontent-length: 27\r\n",
        ] {
            assert!(seen[0].contains(wanted), "{name}: {}", seen[0]);
        }
    }
    line.is_well().await;
}

#[tokio::test]
async fn a_callers_credentials_do_not_go_upstream() {
    let line = Line::start().await;
    let mine = "authorization: Bearer mine\r\nproxy-authorization: Basic mine\r\ncookie: mine=1\r\n\
                x-api-key: mine\r\napi-key: mine\r\nx-goog-api-key: mine\r\nconnection: close\r\n";
    let twice =
        "authorization: Bearer mine\r\nAuthorization: Bearer sk-ours\r\nconnection: close\r\n";
    line.run(vec![
        Case::passed("all of them", post(mine, CHAT), line.chat(CHAT)),
        Case::passed("twice", post(twice, CHAT), line.chat(CHAT)),
    ])
    .await;
}

/// An upgrade asked for is not granted by accident: the connection stays HTTP.
#[tokio::test]
async fn an_upgrade_on_a_call_is_not_passed_on() {
    let line = Line::start().await;
    let upgrades = [
        "h2c\r\nhttp2-settings: AAMAAABkAAQAAP__",
        "websocket",
        "TLS/1.2",
    ];
    for upgrade in upgrades {
        let headers =
            format!("upgrade: {upgrade}\r\nconnection: upgrade, http2-settings, close\r\n");
        let answer = line.talk(post(&headers, CHAT)).await;
        assert_eq!(answer.statuses(), [200], "{upgrade}: {answer:?}");
        assert_eq!(line.recorder.take(), [line.chat(CHAT)], "{upgrade}");
    }
    line.is_well().await;
}

#[tokio::test]
async fn an_upstreams_hop_headers_and_framing_stay_there() {
    let line = Line::start().await;
    let reply = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: x-secret\r\n\
                 x-secret: 1\r\nkeep-alive: timeout=1\r\nproxy-authenticate: Basic\r\ntrailer: x-a\r\n\
                 upgrade: h2c\r\nx-kept: 1\r\ncontent-length: 2\r\n\r\n{}";
    line.recorder.answer(Script::new(reply, Then::Keep));
    let answer = line.talk(post("connection: close\r\n", CHAT)).await;
    let [reply] = &answer.replies[..] else {
        panic!("{answer:?}")
    };
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
    assert_eq!(reply.header("x-kept"), Some("1"));
    assert_eq!(reply.header("connection"), Some("close"));
    for gone in [
        "x-secret",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "upgrade",
    ] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
}
