//! The whole line, nothing edited: what arrives on either side is what a direct call has there.

use http::Method;
use portcullis_testkit::{Client, Operation, Outgoing, Shape, shapes};
use serde_json::Value;

use crate::support::*;

const PASSIVE: &str = "usage: passive";

/// Replays a shape directly and by the gateway, and compares both ends.
async fn same(line: &Line, shape: &'static Shape, further: &[(&str, &str)]) {
    let direct = replay(&line.upstream.url(), shape, further).await;
    let through = replay(&line.url(""), shape, further).await;
    let name = shape.name;
    assert_eq!(through.status, direct.status, "{name}");
    assert_eq!(through.body, direct.body, "{name}");
    assert_eq!(direct.body, shape.response_body, "{name}");
    assert_eq!(
        passed_on(&through.headers),
        passed_on(&direct.headers),
        "{name}"
    );
    let their_id = through.header("x-upstream-request-id");
    assert_eq!(their_id, direct.header("x-request-id"), "{name}");
    let seen = line.upstream.seen();
    let [direct, through] = &seen[..] else {
        panic!("{name}: {} requests", seen.len())
    };
    assert_eq!(Received::from(through), Received::from(direct), "{name}");
    line.upstream.forget();
}

/// The recordings but for the one stream that breaks off, which the gateway does not pass for a whole one.
pub(crate) fn whole() -> impl Iterator<Item = &'static Shape> {
    shapes().iter().filter(|shape| shape.name != CUT)
}

/// The recording that ends in the middle of an event.
pub(crate) const CUT: &str = "chat-stream-cut-json";

/// Whether the gateway asks for usage on this call, as it does where nobody tells it not to.
pub(crate) fn is_asked(shape: &Shape) -> bool {
    let body: Value = serde_json::from_slice(shape.request_body).unwrap_or_default();
    let told = body["stream_options"]["include_usage"] == true;
    shape.operation == Operation::Chat && body["stream"] == true && !told
}

#[tokio::test]
async fn nothing_differs_from_a_direct_call_where_usage_is_not_asked() {
    let line = Line::with(PASSIVE, |builder| builder).await;
    for shape in whole() {
        same(&line, shape, &[("x-extra", "kept"), ("x-extra", "twice")]).await;
    }
}

#[tokio::test]
async fn nothing_differs_from_a_direct_call_but_where_usage_must_be_asked() {
    let line = Line::start().await;
    for shape in whole().filter(|shape| !is_asked(shape)) {
        same(&line, shape, &[]).await;
    }
}

#[tokio::test]
async fn credentials_are_the_gateways_and_ids_are_added() {
    let line = Line::start().await;
    for (path, body, version) in STREAMS {
        let headers = [
            version,
            ("authorization", "Bearer mine"),
            ("x-api-key", "mine too"),
            ("api-key", "mine"),
            ("cookie", "mine=1"),
            ("accept-encoding", "gzip"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
        ];
        let reply = send(Method::POST, line.url(path), &headers, body).await;
        let seen = line.upstream.seen().pop().unwrap();
        match version.0 {
            "anthropic-version" => {
                assert_eq!(seen.header("x-api-key"), Some(KEY));
                assert_eq!(seen.header("authorization"), None);
            }
            _ => {
                assert_eq!(
                    seen.header("authorization"),
                    Some(&*format!("Bearer {KEY}"))
                );
                assert_eq!(seen.header("x-api-key"), None);
            }
        }
        for gone in ["api-key", "cookie", "accept-encoding", "x-hop", "te"] {
            assert_eq!(seen.header(gone), None, "{gone}");
        }
        assert_eq!(
            seen.header("host"),
            Some(&*line.upstream.addr().to_string())
        );
        assert_eq!(seen.header("x-request-id"), reply.header("x-request-id"));
    }
}

#[tokio::test]
async fn a_stream_is_the_same_at_every_chunking() {
    let line = Line::with(PASSIVE, |builder| builder).await;
    for shape in whole().filter(|shape| shape.stream) {
        let mut paces = vec!["one-write", "per-event", "every-64"];
        if shape.response_body.len() < 10_000 {
            paces.extend(["every-1", "every-2", "every-3", "every-7"]);
        }
        for pace in paces {
            let reply = replay(&line.url(""), shape, &[("x-pace", pace)]).await;
            assert_eq!(reply.body, shape.response_body, "{} {pace}", shape.name);
        }
        line.upstream.forget();
    }
}

#[tokio::test]
async fn what_the_gateway_does_not_model_is_passed_through() {
    let line = Line::start().await;
    let binary: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
    let mut form = b"--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n".to_vec();
    form.extend_from_slice(&binary);
    form.extend_from_slice(b"\r\n--b--\r\n");
    let form = || Outgoing::from(form.clone());
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let mut calls = vec![
        (Method::POST, "/v1/files", Some(kind), form()),
        (
            Method::GET,
            "/v1/files/file-100000/content",
            None,
            Outgoing::empty(),
        ),
        (
            Method::GET,
            "/v1/files/file-1/content?a=b%20c&a",
            None,
            Outgoing::empty(),
        ),
        (
            Method::POST,
            "/v1/unknown/thing",
            Some(("content-type", "application/x-own")),
            binary.clone().into(),
        ),
        (Method::DELETE, "/v1/files/file-1", None, Outgoing::empty()),
        (
            Method::HEAD,
            "/v1/files/file-1/content",
            None,
            Outgoing::empty(),
        ),
    ];
    let again = [
        form(),
        Outgoing::empty(),
        Outgoing::empty(),
        binary.into(),
        Outgoing::empty(),
        Outgoing::empty(),
    ];
    for ((method, path, kind, body), again) in calls.drain(..).zip(again) {
        let headers: Vec<_> = kind.into_iter().collect();
        let direct = send(method.clone(), line.direct(path), &headers, body).await;
        let through = send(method.clone(), line.url(path), &headers, again).await;
        assert_eq!(through.status, direct.status, "{path}");
        assert!(through.body == direct.body, "{path}");
        assert_eq!(
            passed_on(&through.headers),
            passed_on(&direct.headers),
            "{path}"
        );
        let seen = line.upstream.seen();
        assert_eq!(Received::from(&seen[1]), Received::from(&seen[0]), "{path}");
        line.upstream.forget();
        let record = line.records.next().await;
        assert_eq!((record.operation, record.protocol), (Some("other"), "llm"));
        assert_eq!(
            record.outcome,
            portcullis::core::context::Outcome::Completed,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn an_upload_of_unknown_length_is_streamed_through() {
    let line = Line::start().await;
    let (mut upload, body) = Outgoing::upload();
    let url = line.url("/v1/unknown/thing");
    let call = tokio::spawn(async move { Client::new().send(Method::POST, &url, &[], body).await });
    upload.write("first ").await.unwrap();
    let begun = line.upstream.wait_for_seen(1, PATIENCE).await;
    assert_eq!(begun.len(), 1, "the head goes on before the body has ended");
    upload.write("second").await.unwrap();
    drop(upload);
    soon("the reply", call).await.unwrap().unwrap();
    assert_eq!(line.upstream.seen()[0].body, "first second");
}

#[tokio::test]
async fn a_reply_that_comes_before_the_upload_has_ended_is_not_held_back() {
    let line = Line::start().await;
    let (mut upload, body) = Outgoing::upload();
    let url = line.url("/v1/unknown/thing");
    let call = tokio::spawn(async move {
        let headers = [("x-fault", "early-reply-413")];
        send(Method::POST, url, &headers, body).await
    });
    upload.write("the first of much").await.unwrap();
    let reply = soon("the reply", call).await.unwrap();
    assert_eq!(reply.status, 413);
    assert_eq!(
        reply.header("portcullis-error"),
        None,
        "the upstream says so"
    );
    drop(upload);
    let record = line.records.only().await;
    assert_eq!(record.status.unwrap(), 413);
}
