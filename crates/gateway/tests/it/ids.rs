//! The whole line: the id of a call, and the trace it belongs to.

use http::Method;
use portcullis::core::context::Outcome;
use portcullis_testkit::{Client, Outgoing, Upstream};

use crate::support::*;

#[tokio::test]
async fn a_fit_id_of_the_caller_is_kept_told_upstream_and_returned() {
    let line = Line::start().await;
    for id in ["mine", "0190-abc_~!", &"x".repeat(128)] {
        let reply = line
            .chat(&[("x-request-id", id)])
            .await
            .collect()
            .await
            .unwrap();
        assert_eq!(reply.header("x-request-id"), Some(id));
        let seen = line.upstream.seen().pop().unwrap();
        assert_eq!(seen.header("x-request-id"), Some(id));
        assert_eq!(line.records.only().await.id.as_str(), id);
    }
}

#[tokio::test]
async fn an_unfit_id_is_replaced_and_none_is_made() {
    let line = Line::start().await;
    let long = "x".repeat(129);
    let mut ids = Vec::new();
    for unfit in [Some("a b"), Some(""), Some(&*long), Some("\u{e9}"), None] {
        let headers: Vec<_> = unfit.map(|id| ("x-request-id", id)).into_iter().collect();
        let reply = line.chat(&headers).await.collect().await.unwrap();
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert_eq!(id.len(), 36, "a UUID: {id}");
        let seen = line.upstream.seen().pop().unwrap();
        assert_eq!(seen.header("x-request-id"), Some(&*id));
        let lines = seen
            .headers
            .iter()
            .filter(|(name, _)| name == "x-request-id");
        assert_eq!(lines.count(), 1);
        assert_eq!(line.records.only().await.id.as_str(), id);
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}

#[tokio::test]
async fn errors_and_unknown_paths_have_an_id_too() {
    let line = Line::start().await;
    let headers = [("x-request-id", "mine")];
    let reply = send(Method::POST, line.url("/v1/messages"), &headers, "{").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("x-request-id")),
        (400, Some("mine"))
    );
}

#[tokio::test]
async fn the_trace_is_passed_on_unchanged_and_recorded() {
    let line = Line::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("traceparent", trace), ("tracestate", "a=1,b=2")];
    line.chat(&headers).await.collect().await.unwrap();
    let seen = line.upstream.seen().pop().unwrap();
    assert_eq!(seen.header("traceparent"), Some(trace));
    assert_eq!(seen.header("tracestate"), Some("a=1,b=2"));
    assert_eq!(
        line.records.only().await.traceparent.as_deref(),
        Some(trace)
    );
}

#[tokio::test]
async fn a_record_says_what_was_called_by_whom_and_where_it_went() {
    let line = Line::start().await;
    line.chat(&[]).await.collect().await.unwrap();
    let record = line.records.only().await;
    assert_eq!(record.listener.as_deref(), Some("web"));
    assert_eq!(record.route.as_deref(), Some("rest"));
    assert_eq!(record.project.as_deref(), Some("default"));
    assert_eq!(&*record.path, "/v1/chat/completions");
    assert_eq!(record.method, Method::POST);
    assert_eq!(
        (record.dialect, record.operation),
        (Some("openai-chat"), Some("chat"))
    );
    assert_eq!(record.model.as_deref(), Some("gpt-test"));
    assert!(record.stream && record.client.is_some());
    assert_eq!(record.bytes_in, CHAT.len() as u64);
    let [attempt] = &record.attempts[..] else {
        panic!("one attempt")
    };
    assert_eq!(&*attempt.endpoint, "openai");
    assert!(attempt.first_byte <= attempt.first_token && attempt.first_token.is_some());
    assert!(attempt.duration <= record.duration);
    assert_eq!(attempt.status.unwrap(), 200);
}

#[tokio::test]
async fn bytes_are_counted_on_both_sides() {
    let line = Line::start().await;
    let url = line.url("/v1/files/file-5000/content");
    let reply = send(Method::GET, &url, &[], Outgoing::empty()).await;
    let record = line.records.only().await;
    assert_eq!(record.bytes_out, reply.body.len() as u64);
    let url = line.url("/v1/unknown/thing");
    send(Method::POST, &url, &[], vec![7; 5000]).await;
    assert_eq!(line.records.only().await.bytes_in, 5000);
}

#[tokio::test]
async fn a_reply_without_a_body_is_completed() {
    let upstream = Upstream::start().await.unwrap();
    let config = config(&upstream, "").replace(
        "backend: openai}",
        "backend: {directResponse: {status: 200, body: told}}}",
    );
    let line = Line::configured(upstream, &config, |builder| builder).await;
    for (method, length) in [(Method::HEAD, 0), (Method::GET, 4)] {
        for client in [Client::new(), Client::http2()] {
            let url = line.url("/");
            let reply = client.send(method.clone(), &url, &[], Outgoing::empty());
            let reply = reply.await.unwrap();
            assert_eq!(reply.header("content-length"), Some("4"), "{method}");
            let record = line.records.only().await;
            assert_eq!(record.outcome, Outcome::Completed, "{method}");
            assert_eq!(record.bytes_out, length, "{method}");
        }
    }
}
