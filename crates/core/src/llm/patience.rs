//! How long an endpoint may take to its first content, and between two events.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower_service::Service;

use super::{Batch, EventKind, EventStream, Llm, LlmOutput, LlmRequest, LlmResponse};
use crate::BoxFuture;
use crate::error::{Error, codes};
use crate::protocol::ArcService;

/// The time an upstream has for its first content, and between two events that say something. Comments and
/// pings, by which a stalled upstream keeps its connection open, do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// From the sending of the request to the first content of a stream.
    pub first_token: Option<Duration>,
    /// Between two events of a stream.
    pub idle: Option<Duration>,
}

/// Fails an attempt with `upstream_timeout` when its stream keeps the caller waiting.
#[derive(Clone, Debug)]
pub struct Patient {
    inner: ArcService<Llm>,
    patience: Patience,
}

impl Patient {
    /// Waits for `inner` so long.
    pub fn new(inner: ArcService<Llm>, patience: Patience) -> Self {
        Self { inner, patience }
    }
}

impl Service<LlmRequest> for Patient {
    type Response = LlmResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<LlmResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        if !request.stream {
            return self.inner.send(request);
        }
        let patience = self.patience;
        let first = patience
            .first_token
            .and_then(|limit| Instant::now().checked_add(limit));
        let sent = self.inner.send(request);
        Box::pin(async move {
            let mut reply = match first {
                Some(first) => timeout_at(first, sent)
                    .await
                    .unwrap_or_else(|_| Err(late(FIRST)))?,
                None => sent.await?,
            };
            if reply.head.status.is_success()
                && let LlmOutput::Events(events) = reply.body
            {
                let until = first.or_else(|| patience.next());
                reply.body = LlmOutput::Events(EventStream::new(Timed {
                    inner: events,
                    patience,
                    waits_for: if first.is_some() { FIRST } else { NEXT },
                    sleep: until.map(|until| Box::pin(sleep_until(until))),
                }));
            }
            Ok(reply)
        })
    }
}

const FIRST: &str = "its first token";
const NEXT: &str = "the next event of its stream";

impl Patience {
    fn next(&self) -> Option<Instant> {
        self.idle.and_then(|idle| Instant::now().checked_add(idle))
    }
}

fn late(what: &str) -> Error {
    Error::new(
        &codes::UPSTREAM_TIMEOUT,
        format!("the upstream took too long to {what}"),
    )
}

struct Timed {
    inner: EventStream,
    patience: Patience,
    waits_for: &'static str,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn note(&mut self, batch: &Batch) {
        let mut says = false;
        for event in batch.events() {
            match event.kind() {
                EventKind::KeepAlive => {}
                EventKind::Content | EventKind::Finish | EventKind::Done => {
                    self.waits_for = NEXT;
                    says = true;
                }
                _ => says = true,
            }
        }
        if !(says && self.waits_for == NEXT) {
            return;
        }
        match (self.patience.next(), &mut self.sleep) {
            (None, sleep) => *sleep = None,
            (Some(next), Some(sleep)) => sleep.as_mut().reset(next),
            (Some(next), sleep) => *sleep = Some(Box::pin(sleep_until(next))),
        }
    }
}

impl Stream for Timed {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(batch))) = &polled {
            this.note(batch);
        }
        if polled.is_pending()
            && let Some(sleep) = &mut this.sleep
            && sleep.as_mut().poll(cx).is_ready()
        {
            this.sleep = None;
            this.inner = EventStream::empty();
            return Poll::Ready(Some(Err(late(this.waits_for))));
        }
        polled
    }
}
