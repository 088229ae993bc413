//! The forward proxy, tried from outside: every way to write an address that is not allowed.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::{Proxy, Socket};
use crate::support::soon;
use portcullis::core::context::Outcome;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";

/// A request for `host` by the first line, by `Host` alone, and a tunnel to it.
fn asked(host: &str) -> [String; 3] {
    let end = "connection: close\r\n\r\n";
    [
        format!("GET http://{host}/x HTTP/1.1\r\nhost: {host}\r\n{end}"),
        format!("GET /x HTTP/1.1\r\nhost: {host}\r\n{end}"),
        format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n{end}"),
    ]
}

/// Hosts, `P` being the port of an upstream that listens on all addresses of this machine, and what the caller
/// is told: 403 where the destination is understood and forbidden, 400 where it is not read at all.
const TRICKS: [(&str, u16); 82] = [
    // Names that lead here.
    ("localhost:P", 403),
    ("LOCALHOST:P", 403),
    ("LocalHost.:P", 403),
    // IPv4 as it is, and at the ends of ranges.
    ("127.0.0.1:P", 403),
    ("127.0.0.1.:P", 403),
    ("127.1.2.3:P", 403),
    ("127.255.255.254:P", 403),
    ("0.0.0.0:P", 403),
    ("0.0.0.1:P", 403),
    ("10.0.0.1:P", 403),
    ("10.255.255.255:P", 403),
    ("172.16.0.1:P", 403),
    ("172.31.255.255:P", 403),
    ("192.168.0.1:P", 403),
    ("100.64.0.1:P", 403),
    ("169.254.169.254:80", 403),
    ("169.254.170.2:80", 403),
    ("168.63.129.16:80", 403),
    ("192.0.0.192:80", 403),
    ("198.18.0.1:P", 403),
    ("192.0.2.1:P", 403),
    ("198.51.100.1:P", 403),
    ("203.0.113.1:P", 403),
    ("192.88.99.1:P", 403),
    ("224.0.0.1:P", 403),
    ("240.0.0.1:P", 403),
    ("255.255.255.255:P", 403),
    // IPv4 in other spellings.
    ("2130706433:P", 400),
    ("0x7f000001:P", 400),
    ("0x7f.0.0.1:P", 400),
    ("0X7F.0X0.0X0.0X1:P", 400),
    ("017700000001:P", 400),
    ("0177.0.0.1:P", 400),
    ("127.1:P", 400),
    ("127.0.1:P", 400),
    ("127.0.0.01:P", 400),
    ("127.0.0.0x1:P", 400),
    ("0:P", 400),
    ("0x0:P", 400),
    ("127.0.0.1..:P", 400),
    ("127.0.0.256:P", 400),
    ("4294967297:P", 400),
    ("1.2.3.4.5:P", 400),
    ("10.1:P", 400),
    ("%31%32%37.0.0.1:P", 400),
    ("127%2e0%2e0%2e1:P", 400),
    ("loc%61lhost:P", 400),
    ("①②⑦.0.0.1:P", 400),
    ("127。0。0。1:P", 400),
    ("ⓛocalhost:P", 400),
    // IPv6, and IPv4 inside of it.
    ("[::1]:P", 403),
    ("[0:0:0:0:0:0:0:1]:P", 403),
    ("[0000:0000::0001]:P", 403),
    ("[::]:P", 403),
    ("[::ffff:127.0.0.1]:P", 403),
    ("[::FFFF:7F00:1]:P", 403),
    ("[0:0:0:0:0:ffff:127.0.0.1]:P", 403),
    ("[::ffff:169.254.169.254]:80", 403),
    ("[::127.0.0.1]:P", 403),
    ("[64:ff9b::127.0.0.1]:P", 403),
    ("[64:ff9b:1::7f00:1]:P", 403),
    ("[2002:7f00:1::1]:P", 403),
    ("[2001:0:4136:e378:8000:63bf:80ff:fffe]:P", 403),
    ("[fe80::1]:P", 403),
    ("[fec0::1]:P", 403),
    ("[fc00::1]:P", 403),
    ("[fd00:ec2::254]:80", 403),
    ("[ff02::1]:P", 403),
    ("[2001:db8::1]:P", 403),
    ("[::1%25lo]:P", 400),
    ("[::1%lo]:P", 400),
    ("[127.0.0.1]:P", 400),
    ("[v1.127]:P", 400),
    ("[::1:P", 400),
    ("[::1]x:P", 400),
    // Something more than a host and a port.
    ("user@127.0.0.1:P", 400),
    ("public.example:80@127.0.0.1:P", 400),
    ("127.0.0.1:P@public.example:80", 400),
    ("127.0.0.1:0", 400),
    ("127.0.0.1:", 400),
    ("127.0.0.1:+80", 400),
    ("127.0.0.1:99999", 400),
];

#[tokio::test]
async fn no_spelling_of_an_address_leads_where_it_is_not_allowed() {
    let upstream = Socket::start(OK).await;
    let proxy = Proxy::start("forward: {allow: ['*:*']}").await;
    let port = upstream.addr.port().to_string();
    for (host, status) in TRICKS {
        for request in asked(&host.replace('P', &port)) {
            let reply = proxy.raw(&request).await;
            let code = ["destination_invalid", "destination_forbidden"][usize::from(status == 403)];
            let refused = reply.starts_with(&format!("HTTP/1.1 {status} "));
            assert!(refused, "{request}\n{reply}");
            // What is no HTTP at all, or no host, is refused before anybody reads a destination.
            let named = reply.contains(&format!("portcullis-error: {code}\r\n"));
            let unread = ["content-length: 0", "portcullis-error: host_invalid\r\n"];
            let unread = status == 400 && unread.iter().any(|told| reply.contains(told));
            assert!(named || unread, "{reply}");
            upstream.nothing(&request).await;
        }
    }
}

#[tokio::test]
async fn a_request_that_names_two_hosts_or_none_goes_nowhere() {
    let upstream = Socket::start(OK).await;
    let addr = upstream.addr;
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}', 'localhost:*']}}")).await;
    let long = "a.".repeat(4000);
    for head in [
        format!(
            "GET http://{addr}/ HTTP/1.1\r\nhost: localhost:{}\r\n",
            addr.port()
        ),
        format!("GET http://{addr}/ HTTP/1.1\r\nhost: {addr}\r\nhost: {addr}\r\n"),
        format!("GET http://{addr}/ HTTP/1.1\r\nhost: {addr}, other.example\r\n"),
        format!("GET http://{addr}/ HTTP/1.1\r\nhost: \r\n"),
        format!("GET http://{addr}/ HTTP/1.1\r\n"),
        "GET / HTTP/1.1\r\nhost: \r\n".to_owned(),
        "GET / HTTP/1.0\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nhost: {addr}/\r\n"),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\t:{}\r\n", addr.port()),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1 :{}\r\n", addr.port()),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\x01:{}\r\n", addr.port()),
        format!("GET / HTTP/1.1\r\nhost: 127.0.0.1\0:{}\r\n", addr.port()),
        format!("GET / HTTP/1.1\r\nhost: {long}example:80\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {}.example\r\n", "a".repeat(64)),
        format!("GET ftp://{addr}/ HTTP/1.1\r\nhost: {addr}\r\n"),
        format!("GET file:///etc/passwd HTTP/1.1\r\nhost: {addr}\r\n"),
        format!("GET http:/{addr}/ HTTP/1.1\r\nhost: {addr}\r\n"),
        format!("CONNECT {addr} HTTP/1.1\r\nhost: other.example\r\n"),
        format!("CONNECT {addr}/ HTTP/1.1\r\nhost: {addr}\r\n"),
        "CONNECT 127.0.0.1 HTTP/1.1\r\nhost: 127.0.0.1\r\n".to_owned(),
        format!("CONNECT http://{addr} HTTP/1.1\r\nhost: {addr}\r\n"),
        "CONNECT / HTTP/1.1\r\nhost: localhost:1\r\n".to_owned(),
    ] {
        let reply = proxy.raw(format!("{head}connection: close\r\n\r\n")).await;
        assert!(
            reply.starts_with("HTTP/1.1 4") || reply.starts_with("HTTP/1.0 4"),
            "{head}\n{reply}"
        );
        upstream.nothing(&head).await;
    }
}

#[tokio::test]
async fn a_port_or_a_name_that_is_not_listed_is_forbidden() {
    let upstream = Socket::start(OK).await;
    let addr = upstream.addr;
    let allow = "['127.0.0.1:1', 'localhost:1', '*.example:443', 'api.example.com:443']";
    let proxy = Proxy::start(&format!("forward: {{allow: {allow}}}")).await;
    let port = addr.port();
    for host in [
        addr.to_string(),
        format!("localhost:{port}"),
        "api.example.com:80".to_owned(),
        "api.example.com:22".to_owned(),
        "evil.api.example.com:443".to_owned(),
        "api.example.com.evil.test:443".to_owned(),
        "example:443".to_owned(),
        format!("[::1]:{port}"),
    ] {
        for request in asked(&host) {
            let reply = proxy.raw(&request).await;
            assert!(
                reply.contains("portcullis-error: destination_forbidden"),
                "{request}\n{reply}"
            );
            upstream.nothing(&request).await;
        }
    }
    let record = proxy.records.next().await;
    assert!(record.attempts.is_empty(), "nothing was looked up");
}

#[tokio::test]
async fn what_is_allowed_is_reached_under_its_one_name() {
    let upstream = Socket::start(OK).await;
    let (addr, port) = (upstream.addr, upstream.addr.port());
    let allow = format!("['{addr}', 'localhost:{port}']");
    let proxy = Proxy::start(&format!("forward: {{allow: {allow}}}")).await;
    for (host, seen) in [
        (addr.to_string(), addr.to_string()),
        (format!("127.0.0.1.:{port}"), addr.to_string()),
        (format!("[::ffff:127.0.0.1]:{port}"), addr.to_string()),
        (format!("LocalHost.:{port}"), format!("localhost:{port}")),
    ] {
        for request in &asked(&host)[..2] {
            let reply = proxy.raw(request).await;
            assert!(
                reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("hi"),
                "{reply}"
            );
            let got = upstream.seen().await;
            assert!(got.starts_with("GET /x HTTP/1.1\r\n"), "{got}");
            assert!(got.contains(&format!("host: {seen}\r\n")), "{got}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_the_callers_to_follow() {
    let moved =
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let upstream = Socket::start(moved).await;
    let addr = upstream.addr;
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}']}}")).await;
    let reply = proxy.raw(&asked(&addr.to_string())[0]).await;
    assert!(reply.starts_with("HTTP/1.1 302 Found\r\n"), "{reply}");
    assert!(
        reply.contains("location: http://169.254.169.254/\r\n"),
        "{reply}"
    );
    upstream.seen().await;
}

#[tokio::test]
async fn a_name_is_judged_by_all_its_addresses_and_the_log_alone_tells_which() {
    let upstream = Socket::start(OK).await;
    let proxy = Proxy::start("forward: {allow: ['localhost:*']}").await;
    let host = format!("localhost:{}", upstream.addr.port());
    let reply = proxy.raw(&asked(&host)[0]).await;
    assert!(
        reply.contains("portcullis-error: destination_forbidden"),
        "{reply}"
    );
    assert!(
        !reply.contains("127.0.0.1") && !reply.contains("loopback"),
        "{reply}"
    );
    let record = proxy.records.only().await;
    let error = record.error.as_deref().unwrap();
    assert!(error.contains("a loopback address"), "{error}");
    upstream.nothing("a name alone is not enough").await;
}

#[tokio::test]
async fn a_tunnel_is_carried_both_ways_and_metered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}']}}")).await;
    let mut caller = TcpStream::connect(proxy.addr).await.unwrap();
    // What comes in one packet with the request belongs to the tunnel already.
    let head =
        format!("CONNECT {addr} HTTP/1.1\r\nhost: {addr}\r\nproxy-authorization: x\r\n\r\nearly");
    caller.write_all(head.as_bytes()).await.unwrap();
    let (mut far, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut got = [0; 5];
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"early");
    caller.shutdown().await.unwrap();
    let rest = soon("the end", far.read(&mut got)).await.unwrap();
    assert_eq!(rest, 0, "the caller's end goes through");
    far.write_all(b"late answer").await.unwrap();
    drop(far);
    let mut reply = String::new();
    soon("the answer", caller.read_to_string(&mut reply))
        .await
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\nlate answer"), "{reply}");
    let record = proxy.records.only().await;
    assert_eq!((record.bytes_in, record.bytes_out), (5, 11));
    assert_eq!(
        (record.operation, record.outcome),
        (Some("connect"), Outcome::Completed)
    );
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn tunnels_can_be_switched_off() {
    let upstream = Socket::start(OK).await;
    let addr = upstream.addr;
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}'], connect: false}}")).await;
    let reply = proxy.raw(&asked(&addr.to_string())[2]).await;
    assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
    upstream.nothing("no tunnel").await;
}

#[tokio::test]
async fn callers_of_http_2_are_judged_alike() {
    let upstream = Socket::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let addr = upstream.addr;
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}', 'localhost:*']}}")).await;
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let made = hyper::client::conn::http2::handshake(executor, io).await;
    let (mut sender, connection) = made.unwrap();
    tokio::spawn(connection);
    let port = addr.port();
    for (method, uri, host, status) in [
        ("GET", format!("http://{addr}/x"), None, 200),
        ("CONNECT", addr.to_string(), None, 200),
        (
            "GET",
            format!("http://{addr}/x"),
            Some("other.example"),
            400,
        ),
        ("GET", format!("http://localhost:{}/x", port ^ 1), None, 403),
        ("GET", format!("http://[::1]:{port}/x"), None, 403),
        ("CONNECT", format!("[::1]:{port}"), None, 403),
        ("CONNECT", "127.0.0.1".to_owned(), None, 400),
    ] {
        let mut request = http::Request::builder().method(method).uri(&uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let request = request
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let reply = soon("a reply", sender.send_request(request)).await.unwrap();
        assert_eq!(reply.status().as_u16(), status, "{method} {uri}");
        if status == 200 && method == "GET" {
            assert!(upstream.seen().await.starts_with("GET /x HTTP/1.1\r\n"));
        }
        drop(reply);
    }
}

#[tokio::test]
async fn a_call_that_leads_back_to_the_proxy_ends_there() {
    // The listener's port is known only once it is bound, so that every port is allowed here.
    let proxy = Proxy::start("forward: {allow: ['127.0.0.1:*']}").await;
    let request = &asked(&proxy.addr.to_string())[0];
    let reply = proxy.raw(request).await;
    assert!(reply.starts_with("HTTP/1.1 508 "), "{reply}");
    let inner = proxy.records.next().await;
    assert!(inner.attempts.is_empty());
    let outer = proxy.records.only().await;
    let destination = outer.attempts[0].destination.as_deref();
    assert_eq!(destination, Some(&*proxy.addr.to_string()));
}
