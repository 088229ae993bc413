//! Claims about timeouts, on a paused clock.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use portcullis_core::body::Body;
use portcullis_core::context::{Decision, HasContext};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::Timeouts;
use portcullis_core::{Request, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

use super::*;
use crate::testing::{configured, data, decisions, frames, recorded, refused};

const SECOND: Duration = Duration::from_secs(1);

fn request() -> Request {
    Request::new(Body::empty())
}

/// A service whose reply has a body that comes at once or by and by.
fn replies(body: impl Fn() -> Body + Send + Sync + 'static) -> ArcService<Http> {
    ArcService::from_fn(move |_| {
        let reply = Response::new(body());
        async move { Ok(reply) }
    })
}

fn hangs() -> ArcService<Http> {
    ArcService::from_fn(|_| pending())
}

/// One piece a second, `pieces` times, and trailers.
fn ticking(pieces: u32) -> Body {
    let ticks = stream::iter(0..pieces).then(async |_| {
        sleep(SECOND).await;
        Ok::<_, Infallible>(data("tick "))
    });
    let end = stream::iter([Ok(Frame::trailers(HeaderMap::new()))]);
    Body::new(StreamBody::new(ticks.chain(end)))
}

async fn read(mut body: Body) -> (usize, Option<Error>) {
    let mut frames = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(_) => frames += 1,
            Err(e) => {
                assert!(body.frame().await.is_none(), "an error is the end");
                return (frames, Some(e));
            }
        }
    }
    (frames, None)
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_fails_the_call_at_the_limit() {
    let began = Instant::now();
    let service = TimeoutsLayer::new().request(5 * SECOND).layer(hangs());
    let error = service.oneshot(request()).await.unwrap_err();
    assert_eq!(error.code(), &codes::CALL_TIMEOUT);
    assert_eq!(
        error.message(),
        "the call took longer than the 5s allowed here"
    );
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_longer_fails_at_the_limit() {
    let began = Instant::now();
    let service = TimeoutsLayer::new().request(3500 * SECOND / 1000);
    let service = service.layer(replies(|| ticking(100)));
    let reply = service.oneshot(request()).await.unwrap();
    let (frames, error) = read(reply.into_body()).await;
    assert_eq!(frames, 3);
    assert_eq!(error.unwrap().code(), &codes::CALL_TIMEOUT);
    assert_eq!(began.elapsed().as_millis() / 10, 350);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_time_passes_with_its_trailers() {
    let service = TimeoutsLayer::new().request(5 * SECOND);
    let service = service.layer(replies(|| ticking(4)));
    let reply = service.oneshot(request()).await.unwrap();
    let whole = BodyExt::collect(reply.into_body()).await.unwrap();
    assert!(whole.trailers().is_some());
    assert_eq!(whole.to_bytes(), "tick tick tick tick ");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_has_to_wait_is_stopped_too() {
    let endless = || frames(std::iter::repeat_with(|| data("more")));
    let service = TimeoutsLayer::new().request(SECOND).layer(replies(endless));
    let mut body = service.oneshot(request()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    tokio::time::advance(SECOND).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.code(), &codes::CALL_TIMEOUT);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_at_hand_is_complete_however_late_it_is_read() {
    let service = TimeoutsLayer::new().request(SECOND);
    let service = service.layer(replies(|| Body::from("done")));
    let body = service.oneshot(request()).await.unwrap().into_body();
    sleep(10 * SECOND).await;
    assert_eq!(body.bytes().unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn what_feeds_a_late_body_is_dropped_when_it_fails() {
    let feed = Arc::new(());
    let fed = Arc::downgrade(&feed);
    let feed = Mutex::new(Some(feed));
    let service = TimeoutsLayer::new().request(SECOND).layer(replies(move || {
        let feed = feed.lock().unwrap().take();
        let silent = stream::pending::<Result<Frame<Bytes>, Infallible>>();
        Body::new(StreamBody::new(
            silent.inspect(move |_| assert!(feed.is_some())),
        ))
    }));
    let mut body = service.oneshot(request()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap_err();
    assert_eq!(fed.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn those_behind_are_told_the_deadline_and_the_record_the_refusal() {
    let (context, records) = recorded();
    let mut request = request();
    request.extensions_mut().insert(context.clone());
    let deadline = Instant::now() + SECOND;
    let service = TimeoutsLayer::new().request(SECOND).layer(hangs());
    let call = tokio::spawn(service.oneshot(request));
    tokio::task::yield_now().await;
    assert_eq!(context.deadline(), Some(deadline.into_std()));
    call.await.unwrap().unwrap_err();
    assert_eq!(
        decisions(&context, &records),
        [("timeouts", Decision::Refused)]
    );
}

/// Without a runtime, a timer would panic.
#[test]
fn without_a_limit_on_the_call_there_is_no_timer_and_no_deadline() {
    let inner: ArcService<Http> = ArcService::from_fn(async |mut request: Request| {
        assert_eq!(request.context().deadline(), None);
        Ok(Response::new(frames([data("streamed")])))
    });
    for layer in [
        TimeoutsLayer::new(),
        TimeoutsLayer::new().connect(SECOND),
        TimeoutsLayer::new().idle(SECOND),
    ] {
        let call = layer.layer(inner.clone()).oneshot(request());
        futures_util::FutureExt::now_or_never(call)
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_limit_no_clock_can_show_is_none() {
    let service = TimeoutsLayer::new().request(Duration::MAX);
    let service = service.layer(replies(|| Body::from("done")));
    service.oneshot(request()).await.unwrap();
}

/// What the client would be told after these layers, the first outermost.
async fn told(layers: &[TimeoutsLayer]) -> Option<Timeouts> {
    let (send, seen) = mpsc::channel();
    let mut service: ArcService<Http> = ArcService::from_fn(move |request: Request| {
        send.send(request.extensions().get().copied()).unwrap();
        async { Ok(Response::new(Body::empty())) }
    });
    for layer in layers.iter().rev() {
        service = ArcService::new(layer.layer(service));
    }
    service.send(request()).await.unwrap();
    seen.recv().unwrap()
}

#[tokio::test]
async fn an_inner_layers_waits_win_over_those_of_an_outer_one() {
    assert_eq!(told(&[TimeoutsLayer::new()]).await, None);
    let outer = TimeoutsLayer::new().connect(SECOND).first_byte(2 * SECOND);
    let inner = TimeoutsLayer::new().first_byte(3 * SECOND).idle(4 * SECOND);
    assert_eq!(
        told(&[outer, inner]).await,
        Some(Timeouts {
            connect: Some(SECOND),
            first_byte: Some(3 * SECOND),
            idle: Some(4 * SECOND),
        })
    );
}

async fn configured_waits(body: Value) -> Option<Timeouts> {
    let (send, seen) = mpsc::channel();
    let inner: ArcService<Http> = ArcService::from_fn(move |request: Request| {
        send.send(request.extensions().get().copied()).unwrap();
        async { Ok(Response::new(Body::empty())) }
    });
    let service = configured("timeouts", body).unwrap().layer(inner);
    service.send(request()).await.unwrap();
    seen.recv().unwrap()
}

#[tokio::test(start_paused = true)]
async fn configured_limits_hold_and_a_zero_is_no_limit() {
    let service = configured("timeouts", json!({"request": "2s"}))
        .unwrap()
        .layer(hangs());
    let error = service.send(request()).await.unwrap_err();
    assert_eq!(error.code(), &codes::CALL_TIMEOUT);
    let slow: ArcService<Http> = ArcService::from_fn(async |_| {
        sleep(3600 * SECOND).await;
        Ok(Response::new(ticking(3)))
    });
    let service = configured("timeouts", json!({"request": "0s"}))
        .unwrap()
        .layer(slow);
    let reply = service.send(request()).await.unwrap();
    assert!(read(reply.into_body()).await.1.is_none());
    let waits = configured_waits(json!({"request": "0s", "connect": "250ms", "idle": "0s"})).await;
    assert_eq!(
        waits,
        Some(Timeouts {
            connect: Some(Duration::from_millis(250)),
            first_byte: None,
            idle: Some(Duration::MAX),
        })
    );
    assert_eq!(configured_waits(json!({})).await, None);
}

#[test]
fn limits_that_could_not_be_reached_are_refused_at_their_place() {
    assert_eq!(
        refused("timeouts", json!({"request": "5s", "firstByte": "6s"})),
        "/p/firstByte: `firstByte` is longer than `request`, so it never ends a call, see /p/request"
    );
    configured("timeouts", json!({"request": "0s", "firstByte": "6s"})).unwrap();
    configured(
        "timeouts",
        json!({"request": "5s", "idle": "5s", "connect": "0s"}),
    )
    .unwrap();
    assert_eq!(
        refused("timeouts", json!({"first_byte": "6s"})),
        "/p/first_byte: unknown key `first_byte` (did you mean `firstByte`?)"
    );
    assert_eq!(
        refused("timeouts", json!({"idle": 60})),
        "/p/idle: a duration needs a unit (for 60 seconds write `60s`)"
    );
}
