//! The whole line when the caller leaves: the upstream is left too, and what it cost is recorded.

use std::time::Duration;

use portcullis::core::context::Outcome;
use portcullis::core::error::codes;
use portcullis_testkit::{Client, Ended, Outgoing};

use crate::support::*;

/// How soon the upstream must be left.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_caller_who_hangs_up_in_mid_stream_cancels_the_upstream() {
    let line = Line::start().await;
    for (path, body, version) in STREAMS {
        for client in [Client::new(), Client::http2()] {
            let headers = [version, ("x-fault", "stall-after-3")];
            let url = line.url(path);
            let mut reply = client
                .stream(http::Method::POST, &url, &headers, body)
                .await
                .unwrap();
            reply.next_chunk().await.unwrap().unwrap();
            reply.hang_up();
            assert!(
                line.upstream.wait_for_cancel(SOON).await.is_some(),
                "{path}"
            );
            let record = line.records.only().await;
            assert_eq!(record.outcome, Outcome::ClientLeft, "{path}");
            assert_eq!(record.attempts.len(), 1, "{path}");
            assert_eq!(record.attempts[0].outcome, Outcome::ClientLeft, "{path}");
            let usage = record.usage().unwrap();
            assert!(usage.estimated && usage.input > 0, "{path}: {usage:?}");
            assert!(record.bytes_out > 0, "{path}");
            line.upstream.forget();
        }
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_before_the_head_cancels_the_upstream() {
    let line = Line::start().await;
    for (path, body, version) in STREAMS {
        for client in [Client::new(), Client::http2()] {
            let url = line.url(path);
            let call = tokio::spawn(async move {
                let headers = [version, ("x-fault", "silent")];
                client.send(http::Method::POST, &url, &headers, body).await
            });
            line.upstream.wait_for_seen(1, PATIENCE).await;
            call.abort();
            assert!(
                line.upstream.wait_for_cancel(SOON).await.is_some(),
                "{path}"
            );
            let record = line.records.only().await;
            assert_eq!(record.outcome, Outcome::ClientLeft, "{path}");
            assert_eq!(record.status, None, "{path}");
            assert_eq!(record.attempts[0].outcome, Outcome::ClientLeft, "{path}");
            let usage = record.usage().unwrap();
            assert!(usage.estimated && usage.input > 0, "{path}: {usage:?}");
            line.upstream.forget();
        }
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_uploading_cancels_the_upstream() {
    let line = Line::start().await;
    let (mut upload, body) = Outgoing::upload();
    let url = line.url("/v1/files");
    let call = tokio::spawn(async move {
        Client::new()
            .send(http::Method::POST, &url, &[], body)
            .await
    });
    upload.write("half of ").await.unwrap();
    line.upstream.wait_for_seen(1, PATIENCE).await;
    call.abort();
    let left = line.upstream.wait_for_cancel(SOON).await.unwrap();
    assert_eq!(left.ended, Ended::Cancelled);
    let record = line.records.only().await;
    assert_eq!(record.outcome, Outcome::Failed(&codes::BODY_BROKEN));
}

#[tokio::test]
async fn every_call_has_one_record_however_it_ends() {
    let line = Line::start().await;
    let faults = [
        "ok",
        "cut-after-2",
        "stall-after-2",
        "status-429",
        "reset",
        "error-event-after-1",
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let id = format!("call-{number}");
        let mut reply = line
            .chat(&[("x-fault", fault), ("x-request-id", &id)])
            .await;
        reply.next_chunk().await.unwrap();
        match fault {
            "stall-after-2" => reply.hang_up(),
            _ => drop(reply.drain().await),
        }
        assert_eq!(line.records.only().await.id.as_str(), id, "{fault}");
    }
    eventually("no upstream connection is in use", || {
        let stats = line.gateway.upstreams();
        stats.open == stats.idle
    })
    .await;
    line.records.none().await;
}
