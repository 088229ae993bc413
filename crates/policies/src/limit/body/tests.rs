//! Claims about the bound on bodies.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Frame;
use http_body_util::BodyExt;
use portcullis_core::body::Body;
use portcullis_core::config::ByteSize;
use portcullis_core::context::Decision;
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::{Request, Response};
use proptest::prelude::*;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::testing::{configured, data, decisions, echo, frames, recorded, refused};

fn limited<S>(max: u64, inner: S) -> BodyLimit<S> {
    BodyLimitLayer::new(ByteSize::bytes(max)).layer(inner)
}

/// A service that must not be called.
fn never() -> ArcService<Http> {
    ArcService::from_fn(async |_| unreachable!("the call was refused"))
}

async fn code_of(service: BodyLimit<ArcService<Http>>, request: Request) -> &'static str {
    service.oneshot(request).await.unwrap_err().code().name
}

#[tokio::test]
async fn a_declared_length_over_the_bound_is_refused_before_the_call() {
    let mut request = Request::new(frames([data("never read")]));
    request.headers_mut().insert(CONTENT_LENGTH, 6.into());
    assert_eq!(
        code_of(limited(5, never()), request).await,
        "body_too_large"
    );
    let at_hand = Request::new(Body::from("123456"));
    assert_eq!(
        code_of(limited(5, never()), at_hand).await,
        "body_too_large"
    );
}

#[tokio::test]
async fn a_body_that_only_claims_to_be_short_is_counted() {
    let mut request = Request::new(frames([data("1234"), data("56")]));
    request.headers_mut().insert(CONTENT_LENGTH, 4.into());
    assert_eq!(code_of(limited(5, echo()), request).await, "body_too_large");
}

proptest! {
    #[test]
    fn a_body_passes_whole_up_to_the_bound_and_never_beyond(
        parts in proptest::collection::vec(0..5_usize, 0..6),
        max in 0..20_u64,
    ) {
        let total: usize = parts.iter().sum();
        let request = Request::new(frames(
            parts.into_iter().map(|n| Frame::data(Bytes::from(vec![b'x'; n]))),
        ));
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = seen.clone();
        let inner: ArcService<Http> = ArcService::from_fn(move |request: Request| {
            let counted = counted.clone();
            async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    counted.fetch_add(frame?.into_data().unwrap().len(), Ordering::Relaxed);
                }
                Ok(Response::new(Body::empty()))
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(limited(max, inner).oneshot(request));
        let seen = seen.load(Ordering::Relaxed);
        if total as u64 <= max {
            prop_assert!(answer.is_ok());
            prop_assert_eq!(seen, total);
        } else {
            prop_assert_eq!(answer.unwrap_err().code(), &codes::BODY_TOO_LARGE);
            prop_assert!(seen as u64 <= max);
        }
    }
}

#[tokio::test]
async fn trailers_pass_uncounted_after_a_body_of_exactly_the_bound() {
    let trailers = HeaderMap::from_iter([(CONTENT_LENGTH, "a long value".parse().unwrap())]);
    let body = frames([data("12"), data("345"), Frame::trailers(trailers.clone())]);
    let read = service_fn(async |request: Request| {
        let whole = BodyExt::collect(request.into_body()).await?;
        let trailers = whole.trailers().cloned();
        Ok::<_, Error>(http::Response::new((whole.to_bytes(), trailers)))
    });
    let read = limited(5, read).oneshot(Request::new(body)).await.unwrap();
    assert_eq!(read.into_body(), ("12345".into(), Some(trailers)));
}

#[tokio::test]
async fn pieces_are_handed_on_as_they_come() {
    let pieces = frames([data("1"), data("2"), data("3")]);
    let first = service_fn(async |request: Request| {
        let mut body = request.into_body();
        let first = body.frame().await.unwrap()?.into_data().unwrap();
        Ok::<_, Error>(http::Response::new((first, body.frame().await.is_some())))
    });
    let reply = limited(2, first).oneshot(Request::new(pieces));
    assert_eq!(reply.await.unwrap().into_body(), ("1".into(), true));
}

/// Says when it is dropped; its one frame is three bytes long.
struct Feed(Arc<AtomicUsize>);

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(data("abc"))))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_feed_of_a_body_is_dropped_where_it_passes_the_bound() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let seen = dropped.clone();
    let reads = service_fn(move |request: Request| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            body.frame().await.unwrap()?;
            let error = body.frame().await.unwrap().unwrap_err();
            assert_eq!(error.code(), &codes::BODY_TOO_LARGE);
            assert_eq!(seen.load(Ordering::Relaxed), 1);
            assert!(body.frame().await.is_none());
            Ok::<_, Error>(http::Response::new(()))
        }
    });
    let request = http::Request::new(Feed(dropped));
    limited(5, reads).oneshot(request).await.unwrap_err();
}

#[tokio::test]
async fn an_answer_to_half_a_request_gives_way_to_the_refusal() {
    let shrugs = service_fn(async |request: Request| {
        let failed = request.into_body().collect(100).await.is_err();
        Ok::<_, Infallible>(http::Response::new(failed))
    });
    let request = Request::new(frames([data("1234"), data("56")]));
    let error = limited(5, shrugs).oneshot(request).await.unwrap_err();
    assert_eq!(error.code(), &codes::BODY_TOO_LARGE);
}

#[tokio::test]
async fn the_record_has_refusals_only() {
    for (body, expected) in [
        (
            Body::from("123456"),
            &[("bodyLimit", Decision::Refused)][..],
        ),
        (
            frames([data("123456")]),
            &[("bodyLimit", Decision::Refused)],
        ),
        (frames([data("12345")]), &[]),
    ] {
        let (context, records) = recorded();
        let mut request = Request::new(body);
        request.extensions_mut().insert(context.clone());
        let _ = limited(5, echo()).oneshot(request).await;
        assert_eq!(decisions(&context, &records), expected);
    }
}

#[tokio::test]
async fn a_configured_bound_holds() {
    let service = configured("bodyLimit", json!({"request": "1KiB"}))
        .unwrap()
        .layer(echo());
    let of = |n: usize| Request::new(Body::from("x".repeat(n)));
    service.send(of(1024)).await.unwrap();
    let error = service.send(of(1025)).await.unwrap_err();
    assert_eq!(
        error.message(),
        "the request body is larger than the 1024 bytes allowed here"
    );
    configured("bodyLimit", json!({})).unwrap();
    assert_eq!(
        refused("bodyLimit", json!({"request": "large"})),
        "/p/request: not a size like `64KiB`, `10MB` or a number of bytes"
    );
}
