//! The reverse proxy, byte for byte: what the upstream is sent, and what the caller is.

use std::time::Duration;

use portcullis::core::context::Outcome;
use portcullis_testkit::unused_addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::{Proxy, Socket};
use crate::support::soon;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// The lines of a message in an order of their own, without those that differ each time.
fn lines(message: &str) -> Vec<&str> {
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    let apart = |line: &&str| !line.starts_with("x-request-id: ") && !line.starts_with("date: ");
    let mut lines: Vec<_> = lines.filter(apart).collect();
    lines.sort_unstable();
    lines.insert(0, first);
    lines.push(body);
    lines
}

#[tokio::test]
async fn the_upstream_sees_what_the_caller_sent_but_for_one_hops_headers() {
    let upstream = Socket::start(OK).await;
    let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
    let reply = proxy
        .raw(
            "POST /a%2Fb/%7e//c;d=1/é?q=%20+&&x=[1]&q HTTP/1.1\r\nHost: shop.example:8080\r\n\
             Connection: close, X-Own, X-Forwarded-For, X-Request-Id\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip, trailers\r\n\
             Upgrade: h2c\r\nProxy-Authorization: Basic eDp5\r\nAuthorization: Bearer theirs\r\n\
             X-Twice: 1\r\nX-Twice: 2\r\nX-Forwarded-For: 10.9.9.9\r\nForwarded: for=10.9.9.9\r\n\
             Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
        )
        .await;
    let expected = [
        "POST /a%2Fb/%7e//c;d=1/é?q=%20+&&x=[1]&q HTTP/1.1",
        "authorization: Bearer theirs",
        "content-length: 5",
        "host: shop.example:8080",
        "te: trailers",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: shop.example:8080",
        "x-forwarded-proto: http",
        "x-twice: 1",
        "x-twice: 2",
        "hello",
    ];
    let seen = upstream.seen().await;
    assert_eq!(lines(&seen), expected);
    assert!(seen.contains("\r\nx-request-id: "), "{seen}");
    let reply = reply.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    let expected = [
        "HTTP/1.1 200 OK",
        "connection: close",
        "content-length: 2",
        "hi",
    ];
    assert_eq!(lines(reply), expected);
    let record = proxy.records.only().await;
    assert_eq!(
        (record.protocol, record.bytes_in, record.bytes_out),
        ("http", 5, 2)
    );
    let attempt = &record.attempts[0];
    assert_eq!(
        (&*attempt.endpoint, attempt.outcome),
        ("there", Outcome::Completed)
    );
    assert_eq!(attempt.status.unwrap(), 200);
}

#[tokio::test]
async fn the_caller_sees_what_the_upstream_sent_but_for_one_hops_headers() {
    let upstream = Socket::start(
        "HTTP/1.1 418 Short And Stout\r\nConnection: keep-alive, x-own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Transfer-Encoding: chunked\r\nX-Request-Id: theirs\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    )
    .await;
    let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
    let reply = proxy
        .raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    let expected = [
        "HTTP/1.1 418 Short And Stout",
        "connection: close",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "transfer-encoding: chunked",
        "x-upstream-request-id: theirs",
        "3\r\nabc\r\n0\r\n\r\n",
    ];
    assert_eq!(lines(&reply), expected);
    let record = proxy.records.only().await;
    assert_eq!(record.attempts[0].upstream_id.as_deref(), Some("theirs"));
}

#[tokio::test]
async fn targets_keep_their_form_and_the_host_is_whose_the_operator_says() {
    let upstream = Socket::start(OK).await;
    let addr = upstream.addr;
    let kept = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let own = Proxy::start(&format!("static: {{host: '{addr}', hostHeader: upstream}}")).await;
    let own_name = addr.to_string();
    for (target, host, line, named) in [
        ("OPTIONS *", "a", "OPTIONS * ", "a"),
        ("GET http://a.example", "a.example", "GET / ", "a.example"),
        (
            "GET http://a.example:81/x?y",
            "other",
            "GET /x?y ",
            "a.example:81",
        ),
        ("GET /?", "a", "GET /? ", "a"),
        ("GET //a/../b", "a", "GET //a/../b ", "a"),
    ] {
        for (proxy, named) in [(&kept, named), (&own, &*own_name)] {
            let request = format!("{target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            let reply = proxy.raw(&request).await;
            if target.contains("..") {
                assert!(
                    reply.starts_with("HTTP/1.1 404 "),
                    "no route has such a path: {reply}"
                );
                continue;
            }
            let seen = upstream.seen().await;
            assert!(seen.starts_with(line), "{seen}");
            assert!(seen.contains(&format!("\r\nhost: {named}\r\n")), "{seen}");
        }
    }
    let reply = kept
        .raw("GET / HTTP/1.1\r\nhost: a@b\r\nconnection: close\r\n\r\n")
        .await;
    assert!(reply.contains("portcullis-error: host_invalid"), "{reply}");
    let reply = kept
        .raw("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n")
        .await;
    assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
    upstream.nothing("neither went on").await;
}

#[tokio::test]
async fn replies_without_a_body_keep_their_length_and_have_none() {
    for (method, status, headers, expected) in [
        (
            "HEAD",
            "200 OK",
            "content-length: 1234\r\n",
            "content-length: 1234",
        ),
        ("GET", "204 No Content", "", "connection: close"),
        (
            "GET",
            "304 Not Modified",
            "content-length: 99\r\netag: \"x\"\r\n",
            "etag: \"x\"",
        ),
    ] {
        let reply = format!("HTTP/1.1 {status}\r\n{headers}\r\n").leak();
        let upstream = Socket::start(reply).await;
        let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let got = proxy.raw(request).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{got}");
        assert!(got.contains(expected) && got.ends_with("\r\n\r\n"), "{got}");
        assert!(!got.contains("transfer-encoding"), "{got}");
        let record = proxy.records.only().await;
        assert_eq!((record.outcome, record.bytes_out), (Outcome::Completed, 0));
        assert_eq!(record.attempts[0].outcome, Outcome::Completed, "{status}");
    }
}

#[tokio::test]
async fn trailers_go_through_in_both_directions() {
    let upstream = Socket::start(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
    )
    .await;
    let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
    let reply = proxy
        .raw(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close, te\r\nte: trailers\r\ntrailer: x-mine\r\n\
             transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-mine: 1\r\n\r\n",
        )
        .await;
    let seen = upstream.seen().await;
    assert!(
        seen.ends_with("3\r\nabc\r\n0\r\nx-mine: 1\r\n\r\n"),
        "{seen}"
    );
    assert!(
        reply.ends_with("2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_reply_before_the_upload_has_ended_reaches_the_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let proxy = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let mut caller = TcpStream::connect(proxy.addr).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nthe first part";
    caller.write_all(head).await.unwrap();
    let (mut far, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"the first part") {
        far.read_buf(&mut seen).await.unwrap();
    }
    let refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\nconnection: close\r\n\r\nless";
    far.write_all(refusal).await.unwrap();
    let mut reply = vec![0; 12];
    soon("the reply", caller.read_exact(&mut reply))
        .await
        .unwrap();
    assert_eq!(reply, b"HTTP/1.1 413");
}

#[tokio::test]
async fn protocols_nobody_asked_for_are_not_switched_to() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nGET /x";
    let upstream = Socket::start(switched).await;
    let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
    let reply = proxy
        .raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    assert!(reply.starts_with("HTTP/1.1 502 "), "{reply}");
    assert!(
        reply.contains("portcullis-error: upstream_broken"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_key_that_let_the_caller_in_does_not_go_on() {
    let upstream = Socket::start(OK).await;
    let keys = "[{apiKeyAuthentication: {keys: [{key: sk-mine, id: me}]}}]";
    let proxy = Proxy::with(keys, &format!("static: {{host: '{}'}}", upstream.addr)).await;
    let request =
        "GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sk-mine\r\nconnection: close\r\n\r\n";
    proxy.raw(request).await;
    let seen = upstream.seen().await;
    assert!(!seen.contains("sk-mine"), "{seen}");
}

#[tokio::test]
async fn calls_are_spread_by_weight_and_drained_endpoints_get_none() {
    let upstreams = [
        Socket::start(OK).await,
        Socket::start(OK).await,
        Socket::start(OK).await,
    ];
    let [a, b, c] = [0, 1, 2].map(|i| upstreams[i].addr.port());
    let proxy = Proxy::start(&format!(
        "static: {{endpoints: [{{host: 127.0.0.1, port: {a}}}, {{host: '127.0.0.1:{b}', weight: 3}}, \
         {{host: 127.0.0.1, port: {c}, weight: 0}}]}}"
    ))
    .await;
    let mut counts = [0; 2];
    for _ in 0..200 {
        proxy
            .raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
        let endpoint = proxy.records.next().await.attempts[0].endpoint.clone();
        counts[usize::from(*endpoint == format!("there/127.0.0.1:{b}"))] += 1;
    }
    assert!(counts[0] > 20 && counts[1] > 2 * counts[0], "{counts:?}");
    upstreams[2].nothing("it is drained").await;
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_out() {
    let upstream = Socket::start(OK).await;
    let gone = unused_addr().await.unwrap();
    let proxy = Proxy::start(&format!(
        "static: {{endpoints: [{{host: '{gone}'}}, {{host: '{}'}}], \
         health: {{consecutiveFailures: 2, ejectFor: 1h, maxEjectFor: 1h}}}}",
        upstream.addr
    ))
    .await;
    let mut failed = 0;
    for _ in 0..60 {
        let reply = proxy
            .raw("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await;
        failed += usize::from(reply.starts_with("HTTP/1.1 502 "));
    }
    assert_eq!(failed, 2);
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_call_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let proxy = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let mut caller = TcpStream::connect(proxy.addr).await.unwrap();
    caller
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (mut far, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut seen = vec![0; 16];
    far.read_exact(&mut seen).await.unwrap();
    let begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    far.write_all(begun).await.unwrap();
    caller.read_exact(&mut seen).await.unwrap();
    drop(caller);
    let end = async { while far.read(&mut seen).await.unwrap_or(0) > 0 {} };
    soon("the end of the connection", end).await;
    let record = proxy.records.only().await;
    assert_eq!(record.outcome, Outcome::ClientLeft);
    assert_eq!(record.attempts[0].outcome, Outcome::ClientLeft);
    assert!(record.duration < Duration::from_secs(20));
}
