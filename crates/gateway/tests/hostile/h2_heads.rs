//! HTTP/2 requests whose heads would be something else once they are written as HTTP/1.

use crate::frames::{DATA, END_STREAM, Heard, Peer, frame, head};
use crate::support::{CHAT, Line, MAX_HEAD};

/// The code of a stream that breaks the protocol (RFC 9113, section 7).
const PROTOCOL_ERROR: u32 = 1;

type Fields<'a> = Vec<(&'a str, &'a str)>;

const POST: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "gateway.test"),
    (":path", "/v1/chat/completions"),
    ("x-request-id", "t"),
];

/// The chat call with one field in another's place, or without it where the value is empty.
fn with<'a>(name: &'a str, value: &'a str) -> Fields<'a> {
    let mut fields = POST.to_vec();
    let at = fields.iter().position(|(n, _)| *n == name);
    let at = at.expect("a field of the call");
    if value.is_empty() {
        fields.remove(at);
    } else {
        fields[at].1 = value;
    }
    fields
}

/// The chat call with further fields.
fn and<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    POST.iter().chain(more).copied().collect()
}

async fn call(line: &Line, fields: &[(&str, &str)], body: &str) -> Heard {
    let mut peer = Peer::connect(line.addr).await;
    let call = [
        head(1, 0, fields),
        frame(DATA, END_STREAM, 1, body.as_bytes()),
    ]
    .concat();
    peer.send(call).await;
    peer.hear(1).await
}

#[tokio::test]
async fn a_call_goes_upstream_as_one_of_http_1_does() {
    let line = Line::start().await;
    let heard = call(&line, &POST, CHAT).await;
    assert_eq!(heard.status, Some(200), "{heard:?}");
    assert_eq!(line.recorder.take(), [line.chat(CHAT)]);
    let te = call(
        &line,
        &and(&[("te", "trailers"), ("cookie", "a=1"), ("cookie", "b=2")]),
        CHAT,
    )
    .await;
    assert_eq!(te.status, Some(200), "{te:?}");
    assert_eq!(line.recorder.take(), [line.chat(CHAT)]);
}

/// A head that HTTP/2 forbids, or that no HTTP/1 head can hold, ends its stream and reaches nobody.
#[tokio::test]
async fn a_malformed_head_ends_its_stream() {
    let line = Line::start().await;
    let late: Fields<'_> = [&POST[..3], &[POST[4], POST[3]]].concat();
    let cases: Vec<(&str, Fields<'_>)> = vec![
        ("an upper case name", and(&[("X-A", "1")])),
        ("a line end in a value", and(&[("x-a", "1\r\nx-evil: 1")])),
        ("a line feed in a value", and(&[("x-a", "1\nx-evil: 1")])),
        ("a null in a value", and(&[("x-a", "1\0")])),
        ("a line end in a name", and(&[("x-a: 1\r\nx-evil", "1")])),
        ("a colon in a name", and(&[("x-a:b", "1")])),
        ("a space in a name", and(&[("x a", "1")])),
        ("an empty name", and(&[("", "1")])),
        ("connection", and(&[("connection", "x-request-id")])),
        ("keep-alive", and(&[("keep-alive", "timeout=1")])),
        ("proxy-connection", and(&[("proxy-connection", "close")])),
        (
            "transfer-encoding",
            and(&[("transfer-encoding", "chunked")]),
        ),
        ("upgrade", and(&[("upgrade", "websocket")])),
        ("te", and(&[("te", "gzip")])),
        ("a pseudo field behind others", late),
        ("an unknown pseudo field", and(&[(":evil", "1")])),
        ("a status", and(&[(":status", "200")])),
        ("two paths", and(&[(":path", "/v1/models")])),
        ("two methods", and(&[(":method", "GET")])),
        ("two authorities", and(&[(":authority", "other.test")])),
        ("no method", with(":method", "")),
        ("no scheme", with(":scheme", "")),
        ("no path", with(":path", "")),
        (
            "a line end in the path",
            with(":path", "/ HTTP/1.1\r\nx-evil: 1\r\n\r\n"),
        ),
        ("a space in the path", with(":path", "/v1/models HTTP/1.1")),
        ("a path without a slash", with(":path", "v1/models")),
        (
            "a line end in the method",
            with(":method", "POST / HTTP/1.1\r\nx-evil: 1\r\n\r\nGET"),
        ),
        ("a space in the method", with(":method", "GET /")),
        (
            "a line end in the authority",
            with(":authority", "a\r\nx-evil: 1"),
        ),
        ("a space in the authority", with(":authority", "a b")),
        (
            "a line end in the scheme",
            with(":scheme", "http\r\nx-evil: 1"),
        ),
        (
            "a scheme that is a URL",
            with(":scheme", "http://other.test/?"),
        ),
        (
            "lengths that differ",
            and(&[("content-length", "27"), ("content-length", "28")]),
        ),
        ("a length that is none", and(&[("content-length", "+27")])),
        (
            "a length less than the body",
            and(&[("content-length", "26")]),
        ),
        (
            "a length more than the body",
            and(&[("content-length", "28")]),
        ),
    ];
    for (name, fields) in cases {
        let heard = call(&line, &fields, CHAT).await;
        let ended = heard.reset.or(heard.goaway) == Some(PROTOCOL_ERROR);
        let refused = heard.status.is_some_and(|s| (400..500).contains(&s));
        assert!(ended || refused, "{name}: {heard:?}");
        assert!(
            line.recorder.take().is_empty(),
            "{name}: something reached the upstream"
        );
    }
    line.is_well().await;
}

#[tokio::test]
async fn two_hosts_or_half_a_host_are_refused() {
    let line = Line::start().await;
    let cases: Vec<(&str, Fields<'_>)> = vec![
        (
            "a host against the authority",
            and(&[("host", "other.test")]),
        ),
        (
            "two hosts",
            and(&[("host", "gateway.test"), ("host", "gateway.test")]),
        ),
        ("user info", with(":authority", "other.test@gateway.test")),
    ];
    for (name, fields) in cases {
        let heard = call(&line, &fields, CHAT).await;
        let refused = heard.status == Some(400) && heard.body.contains("host_invalid");
        assert!(
            refused || heard.reset == Some(PROTOCOL_ERROR),
            "{name}: {heard:?}"
        );
        assert!(line.recorder.take().is_empty(), "{name}");
    }
    let same = call(&line, &and(&[("host", "gateway.test")]), CHAT).await;
    assert_eq!(same.status, Some(200), "{same:?}");
}

/// A tunnel is not opened, whatever else the request says.
#[tokio::test]
async fn a_tunnel_is_not_opened_by_a_route_for_calls() {
    let line = Line::start().await;
    let plain = [(":method", "CONNECT"), (":authority", "127.0.0.1:22")];
    let extended = [
        &POST[1..4],
        &[(":method", "CONNECT"), (":protocol", "websocket")],
    ]
    .concat();
    for fields in [&plain[..], &with(":method", "CONNECT"), &extended] {
        let heard = call(&line, fields, "").await;
        let refused = heard.status.is_some_and(|s| s >= 400);
        assert!(
            refused || heard.reset.or(heard.goaway).is_some(),
            "{fields:?}: {heard:?}"
        );
        let seen = line.recorder.take();
        assert!(seen.is_empty(), "{fields:?}: {seen:?}");
    }
    line.is_well().await;
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let line = Line::start().await;
    let large = "a".repeat(MAX_HEAD - 1_000);
    let heard = call(&line, &and(&[("x-a", &large), ("x-b", &large)]), CHAT).await;
    assert!(
        heard.status == Some(431) || heard.goaway.is_some() || heard.reset.is_some(),
        "{heard:?}"
    );
    let many = vec![("x-a", "1"); 60];
    let heard = call(&line, &and(&many), CHAT).await;
    assert_eq!(heard.status, Some(431), "{heard:?}");
    assert!(heard.body.contains("too_many_headers"), "{heard:?}");
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// Trailers end the body and go no further.
#[tokio::test]
async fn trailers_do_not_become_headers() {
    let line = Line::start().await;
    let trailers: [&[(&str, &str)]; 3] = [
        &[("content-length", "1"), ("authorization", "Bearer stolen")],
        &[("x-a", "1\r\nx-evil: 1")],
        &[(":path", "/v1/models")],
    ];
    for fields in trailers {
        let mut peer = Peer::connect(line.addr).await;
        let call = [
            head(1, 0, &POST),
            frame(DATA, 0, 1, CHAT.as_bytes()),
            head(1, END_STREAM, fields),
        ];
        peer.send(call.concat()).await;
        let heard = peer.hear(1).await;
        let seen = line.recorder.take();
        match heard.status {
            Some(200) => assert_eq!(seen, [line.chat(CHAT)], "{fields:?}"),
            _ => assert!(seen.is_empty(), "{fields:?}: {heard:?}: {seen:?}"),
        }
        assert!(
            heard.status.is_some() || heard.reset.or(heard.goaway).is_some(),
            "{fields:?}: {heard:?}"
        );
    }
    line.is_well().await;
}
