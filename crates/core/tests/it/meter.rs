//! One attempt as `Metered` records it: how its stream ended decides outcome, usage, and the last event.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use portcullis_core::context::{Exchange, Outcome, Tokens};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmOutput, LlmRequest, LlmResponse, Metered};
use portcullis_core::protocol::ArcService;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::call::{Feed, call, chunked, next, once, post, read_now, recorded, streaming};
use crate::dialect::{DONE, PLAIN, failure};

/// Makes a metered call, takes `frames` frames of its reply (all, if `None`) and returns them with the record.
async fn metered(provider: ArcService<Llm>, frames: Option<usize>) -> (Bytes, Exchange) {
    let (context, records) = recorded();
    let hold = context.hold();
    let metered = ArcService::new(Metered::new(provider, Arc::from("toy")));
    let asked = post("/v1/plain", PLAIN.request("m", true, "hello"), &context);
    let mut body = call(metered, asked).await.into_body();
    let read = match frames {
        None => read_now(body).unwrap(),
        Some(frames) => {
            let mut read = Vec::new();
            for _ in 0..frames {
                read.extend(next(&mut body).await.unwrap().unwrap());
            }
            drop(body);
            read.into()
        }
    };
    drop(hold);
    (read, *records.try_recv().unwrap())
}

/// Streams the feed to its end.
async fn read(feed: Feed) -> (Bytes, Exchange) {
    metered(streaming(once(feed.body().0)), None).await
}

fn estimate(input: u64, output: u64) -> Tokens {
    let mut tokens = Tokens::new(input, output);
    tokens.estimated = true;
    tokens
}

/// What the request of these tests is estimated at.
fn sent() -> u64 {
    let length = PLAIN.request("m", true, "hello").len() as u64;
    length.div_ceil(4)
}

fn reply() -> Vec<Bytes> {
    vec![
        PLAIN.text("a"),
        PLAIN.text("b"),
        PLAIN.usage([3, 5]),
        PLAIN.finish(),
    ]
}

#[tokio::test]
async fn finished_without_a_sentinel_is_whole() {
    let (bytes, record) = read(Feed::new(reply())).await;
    assert_eq!(bytes, reply().concat());
    let attempt = &record.attempts[0];
    assert_eq!(attempt.outcome, Outcome::Completed);
    assert_eq!(attempt.usage, Some(Tokens::new(3, 5)));
    assert!(attempt.first_token.is_some());
    assert_eq!(record.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_sentinel_without_a_finish_reason_is_whole_too() {
    let (_, record) = read(Feed::new([PLAIN.text("a"), DONE.into()])).await;
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn usage_never_reported_is_estimated_and_marked() {
    let (_, record) = read(Feed::new([
        PLAIN.text("a"),
        PLAIN.text("b"),
        PLAIN.finish(),
    ]))
    .await;
    assert_eq!(record.attempts[0].usage, Some(estimate(sent(), 2)));
    assert_eq!(record.usage(), Some(estimate(sent(), 2)));
}

#[tokio::test]
async fn a_stream_that_just_stops_is_cut_and_says_so_last() {
    let (bytes, record) = read(Feed::new([PLAIN.text("a")])).await;
    assert_eq!(bytes, [PLAIN.text("a"), failure("upstream_cut")].concat());
    let attempt = &record.attempts[0];
    assert_eq!(attempt.outcome, Outcome::Failed(&codes::UPSTREAM_CUT));
    assert_eq!(attempt.usage, Some(estimate(sent(), 1)));
    assert_eq!(record.outcome, Outcome::Failed(&codes::UPSTREAM_CUT));
}

#[tokio::test]
async fn a_stream_that_breaks_is_cut_with_the_cause() {
    let feed = Feed::new([PLAIN.text("a")]).breaks(&codes::UPSTREAM_BROKEN);
    let (bytes, record) = read(feed).await;
    let last = failure("upstream_broken");
    assert_eq!(bytes, [PLAIN.text("a"), last].concat());
    let broken = Outcome::Failed(&codes::UPSTREAM_BROKEN);
    assert_eq!(record.attempts[0].outcome, broken);
}

#[tokio::test]
async fn usage_reported_before_a_cut_is_an_estimate() {
    let (_, record) = read(Feed::new([PLAIN.usage([9, 1]), PLAIN.text("a")])).await;
    assert_eq!(record.attempts[0].usage, Some(estimate(9, 1)));
}

#[tokio::test]
async fn what_breaks_after_the_finish_reason_takes_nothing_away() {
    let (bytes, record) = read(Feed::new(reply()).breaks(&codes::UPSTREAM_BROKEN)).await;
    assert_eq!(bytes, reply().concat());
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
    assert_eq!(record.attempts[0].usage, Some(Tokens::new(3, 5)));
}

#[tokio::test]
async fn an_error_event_passes_unchanged_and_fails_the_attempt() {
    let (bytes, record) = read(Feed::new([PLAIN.text("a"), failure("overloaded")])).await;
    assert_eq!(bytes, [PLAIN.text("a"), failure("overloaded")].concat());
    let attempt = &record.attempts[0];
    assert_eq!(attempt.outcome, Outcome::Failed(&codes::UPSTREAM_BROKEN));
    assert_eq!(attempt.usage, Some(estimate(sent(), 1)));
}

#[tokio::test]
async fn a_client_that_leaves_is_charged_for_what_came() {
    let (body, gone) = Feed::new(reply()).silent().body();
    let (_, record) = metered(streaming(once(body)), Some(2)).await;
    assert!(gone.is());
    let attempt = &record.attempts[0];
    assert_eq!(attempt.outcome, Outcome::ClientLeft);
    assert_eq!(attempt.usage, Some(estimate(sent(), 2)));
}

#[tokio::test]
async fn a_client_that_leaves_after_the_finish_reason_missed_nothing() {
    let (body, _) = Feed::new(reply()).silent().body();
    let (_, record) = metered(streaming(once(body)), Some(4)).await;
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
    assert_eq!(record.attempts[0].usage, Some(Tokens::new(3, 5)));
}

fn some_event() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just(PLAIN.text("a")),
        any::<[u32; 2]>().prop_map(|usage| PLAIN.usage(usage.map(u64::from))),
        Just(PLAIN.finish()),
        Just(failure("overloaded")),
        Just("data: neither\n\n".into()),
    ]
}

proptest! {
    #[test]
    fn how_a_stream_is_cut_into_chunks_changes_nothing_in_its_record(
        events in vec(some_event(), 0..6),
        cuts in vec(any::<usize>(), 0..6),
    ) {
        let bytes = Bytes::from(events.concat());
        let filed = |cuts| {
            let (bytes, record) = read(Feed::new(chunked(&bytes, cuts))).now_or_never().unwrap();
            let attempt = &record.attempts[0];
            (bytes, attempt.outcome, attempt.usage, record.outcome)
        };
        prop_assert_eq!(filed(&cuts), filed(&[]));
    }
}

#[tokio::test]
async fn a_whole_reply_reports_its_own_usage() {
    let provider = ArcService::from_fn(|request: LlmRequest| async move {
        let (head, ()) = http::Response::new(()).into_parts();
        let body = LlmOutput::Whole(PLAIN.whole("hi", [3, 5]).into());
        Ok(LlmResponse::new(head, request.dialect, body))
    });
    let (_, record) = metered(provider, None).await;
    assert_eq!(record.attempts[0].usage, Some(Tokens::new(3, 5)));
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn an_attempt_that_never_answered_used_nothing() {
    let provider = ArcService::from_fn(|_| async {
        let error = Error::new(&codes::UPSTREAM_UNREACHABLE, "nobody there");
        Err(error.because("connection refused"))
    });
    let (_, record) = metered(provider, None).await;
    let unreachable = Outcome::Failed(&codes::UPSTREAM_UNREACHABLE);
    let attempt = &record.attempts[0];
    assert_eq!((attempt.outcome, attempt.usage), (unreachable, None));
    let words = Some("nobody there: connection refused");
    assert_eq!(attempt.error.as_deref(), words);
    assert_eq!(record.outcome, unreachable);
}
