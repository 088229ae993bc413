//! The whole line when a stream does not end as it should: what the caller is told, and what is recorded.

use std::time::Duration;

use portcullis::core::context::{Exchange, Outcome, Tokens};
use portcullis::core::error::{Code, codes};
use portcullis::upstream::ClientConfig;
use portcullis_testkit::Reply;
use serde_json::Value;

use crate::passthrough::CUT;
use crate::support::*;

/// Calls every dialect's stream with this fault, and gives path, reply and record to `check`.
async fn each(line: &Line, fault: &str, check: impl Fn(&str, &Reply, &Exchange)) {
    for (path, body, version) in STREAMS {
        let headers = [version, ("x-fault", fault)];
        let reply = send(http::Method::POST, line.url(path), &headers, body).await;
        let record = line.records.only().await;
        check(&format!("{path} {fault}"), &reply, &record);
    }
}

/// The data of the last event.
fn last(reply: &Reply) -> Value {
    let text = reply.text();
    let event = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let data = event.lines().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.unwrap_or_default()).unwrap_or_default()
}

/// The stream broke off, and says so in its dialect as its last word.
fn assert_told(call: &str, reply: &Reply, code: &str) {
    let told = last(reply);
    let text = reply.text();
    let own = match call {
        _ if call.starts_with("/v1/chat") => &told["error"]["code"],
        _ if call.starts_with("/v1/responses") => &told["code"],
        _ => &told["error"]["details"]["code"],
    };
    assert_eq!(own, code, "{call}: {text}");
    if !call.starts_with("/v1/chat") {
        assert_eq!(told["type"], "error", "{call}");
        assert!(
            text.contains("\n\nevent: error\n") || text.starts_with("event: error\n"),
            "{call}"
        );
    }
    for terminator in ["[DONE]", "message_stop", "response.completed"] {
        assert!(!text.contains(terminator), "{call}: {text}");
    }
    assert!(text.ends_with("\n\n"), "{call}");
}

fn assert_failed(call: &str, record: &Exchange, code: &'static Code) {
    assert_eq!(record.outcome, Outcome::Failed(code), "{call}");
    assert_eq!(record.status.unwrap(), 200, "{call}");
    let [attempt] = &record.attempts[..] else {
        panic!("{call}: {:?}", record.attempts)
    };
    assert_eq!(attempt.outcome, Outcome::Failed(code), "{call}");
    assert_estimated(call, attempt.usage);
}

fn assert_estimated(call: &str, usage: Option<Tokens>) {
    let usage = usage.unwrap_or_else(|| panic!("{call}: no usage"));
    assert!(usage.estimated && usage.input > 0, "{call}: {usage:?}");
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_error_event_and_is_billed_by_estimate() {
    let line = Line::start().await;
    for fault in [
        "cut-after-3",
        "reset-after-3",
        "cut-after-1",
        "garbage-after-3",
    ] {
        each(&line, fault, |call, reply, record| {
            assert_told(call, reply, "upstream_broken");
            assert_failed(call, record, &codes::UPSTREAM_BROKEN);
            assert!(record.error.is_some(), "{call}");
        })
        .await;
    }
}

#[tokio::test]
async fn half_an_event_is_not_glued_to_the_error() {
    let line = Line::start().await;
    for fault in [
        "cut-after-bytes-200",
        "reset-after-bytes-400",
        "cut-after-bytes-431",
    ] {
        each(&line, fault, |call, reply, record| {
            assert_told(call, reply, "upstream_broken");
            assert_failed(call, record, &codes::UPSTREAM_BROKEN);
            for data in reply
                .text()
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
            {
                assert!(
                    serde_json::from_str::<Value>(data).is_ok(),
                    "{call}: {data}"
                );
            }
        })
        .await;
    }
    let reply = line
        .chat(&[("x-shape", CUT)])
        .await
        .collect()
        .await
        .unwrap();
    assert_told("/v1/chat", &reply, "upstream_cut");
    assert_failed(CUT, &*line.records.only().await, &codes::UPSTREAM_CUT);
}

#[tokio::test]
async fn a_stalled_stream_ends_by_the_timeout_of_the_client() {
    let mut client = ClientConfig::default();
    client.timeouts.idle = Duration::from_millis(50);
    let line = Line::with("", |builder| builder.client(client)).await;
    stalls(&line).await;
}

#[tokio::test]
async fn a_stalled_stream_ends_by_the_timeout_of_its_endpoint() {
    let line = Line::with("policies: [{timeouts: {idle: 50ms}}]", |b| b).await;
    stalls(&line).await;
}

async fn stalls(line: &Line) {
    for fault in ["stall-after-3", "headers-then-silent"] {
        each(line, fault, |call, reply, record| {
            assert_told(call, reply, "upstream_timeout");
            assert_failed(call, record, &codes::UPSTREAM_TIMEOUT);
        })
        .await;
        let left = line.upstream.wait_for_cancel(PATIENCE).await;
        assert!(left.is_some(), "the upstream is left alone");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_while_it_streams() {
    let upstream = portcullis_testkit::Upstream::start().await.unwrap();
    let config = config(&upstream, "").replace(
        "listeners: [{name: web,",
        "listeners: [{name: web, policies: [{timeouts: {request: 80ms}}],",
    );
    let line = Line::configured(upstream, &config, |builder| builder).await;
    each(&line, "stall-after-3", |call, reply, record| {
        assert_told(call, reply, "call_timeout");
        assert_eq!(
            record.outcome,
            Outcome::Failed(&codes::CALL_TIMEOUT),
            "{call}"
        );
        assert_estimated(call, record.usage());
    })
    .await;
}

#[tokio::test]
async fn a_garbage_event_is_passed_on_and_the_stream_goes_on() {
    let line = Line::start().await;
    for (path, body, version) in STREAMS {
        let headers = [version, ("x-fault", "garbage-event-2")];
        let direct = send(http::Method::POST, line.direct(path), &headers, body).await;
        let through = send(http::Method::POST, line.url(path), &headers, body).await;
        assert_eq!(through.body, direct.body, "{path}");
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Completed, "{path}");
        assert!(!record.usage().unwrap().estimated, "{path}");
    }
}

#[tokio::test]
async fn an_error_event_of_the_upstream_is_passed_on_as_it_is() {
    let line = Line::start().await;
    for (path, body, version) in STREAMS {
        let headers = [version, ("x-fault", "error-event-after-2")];
        let direct = send(http::Method::POST, line.direct(path), &headers, body).await;
        let through = send(http::Method::POST, line.url(path), &headers, body).await;
        assert_eq!(through.body, direct.body, "{path}");
        let record = line.records.only().await;
        let failed = Outcome::Failed(&codes::UPSTREAM_BROKEN);
        assert_eq!(record.attempts[0].outcome, failed, "{path}");
        assert_estimated(path, record.usage());
    }
}

#[tokio::test]
async fn a_missing_sentinel_is_no_fault() {
    let line = Line::start().await;
    for (path, body, version) in [STREAMS[0], STREAMS[2]] {
        let headers = [version, ("x-fault", "no-sentinel")];
        let direct = send(http::Method::POST, line.direct(path), &headers, body).await;
        let through = send(http::Method::POST, line.url(path), &headers, body).await;
        assert_eq!(through.body, direct.body, "{path}");
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Completed, "{path}");
        assert!(!record.usage().unwrap().estimated, "{path}");
    }
}

#[tokio::test]
async fn a_reply_that_never_begins_is_an_error_in_the_callers_dialect() {
    let mut client = ClientConfig::default();
    client.timeouts.first_byte = Duration::from_millis(50);
    let line = Line::with("", |builder| builder.client(client)).await;
    for (fault, code) in [
        ("reset", &codes::UPSTREAM_BROKEN),
        ("garbage", &codes::UPSTREAM_BROKEN),
        ("silent", &codes::UPSTREAM_TIMEOUT),
    ] {
        each(&line, fault, |call, reply, record| {
            assert_eq!(reply.status, code.status(), "{call}");
            assert_eq!(reply.header("portcullis-error"), Some(code.name), "{call}");
            assert!(reply.json()["error"]["message"].is_string(), "{call}");
            assert_eq!(record.outcome, Outcome::Failed(code), "{call}");
            assert_eq!(record.attempts[0].outcome, Outcome::Failed(code), "{call}");
            assert!(
                record.error.as_deref().is_some_and(|e| !e.is_empty()),
                "{call}"
            );
        })
        .await;
    }
}

#[tokio::test]
async fn a_whole_reply_that_is_cut_is_an_error_not_half_a_reply() {
    let line = Line::start().await;
    for fault in ["cut-after-1", "reset-after-1", "cut-after-bytes-9"] {
        let ask = CHAT.replace(
            r#""stream":true,"stream_options":{"include_usage":true},"#,
            "",
        );
        let url = line.url("/v1/chat/completions");
        let reply = send(http::Method::POST, url, &[("x-fault", fault)], ask).await;
        assert_eq!(reply.status, 502, "{fault}");
        assert_eq!(reply.header("portcullis-error"), Some("upstream_broken"));
        assert!(reply.json()["error"]["message"].is_string(), "{fault}");
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Failed(&codes::UPSTREAM_BROKEN));
    }
}

#[tokio::test]
async fn nobody_at_the_upstream_is_an_error_in_the_callers_dialect() {
    let line = Line::start().await;
    let unused = portcullis_testkit::unused_addr().await.unwrap();
    let config =
        config(&line.upstream, "").replace(&line.upstream.addr().to_string(), &unused.to_string());
    let line = Line::configured(line.upstream, &config, |builder| builder).await;
    for (path, body, version) in STREAMS {
        let reply = send(http::Method::POST, line.url(path), &[version], body).await;
        assert_eq!(reply.status, 502, "{path}");
        assert_eq!(
            reply.header("portcullis-error"),
            Some("upstream_unreachable")
        );
        assert!(
            !reply.text().contains(&unused.to_string()),
            "{path}: {}",
            reply.text()
        );
        let record = line.records.only().await;
        assert_eq!(record.usage(), None, "{path}");
    }
}
