//! A streamed reply that begins before any attempt has proved itself.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::attempt::Rest;
use crate::error::{Error, codes};
use crate::llm::{Batch, Dialect, EventStream, Llm, LlmOutput, LlmResponse};

/// How often the caller hears that the connection is alive.
const EVERY: Duration = Duration::from_secs(15);

/// The head of a stream, something that keeps the connection alive, and then what comes of `rest`.
pub(super) fn reply(dialect: Arc<dyn Dialect>, rest: Rest<Llm>) -> LlmResponse {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = StatusCode::OK;
    let kind = HeaderValue::from_static("text/event-stream");
    head.headers.insert(CONTENT_TYPE, kind);
    head.headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let keep_alive = dialect.keep_alive().unwrap_or_default();
    let held = Held::Waiting {
        rest,
        every,
        keep_alive,
    };
    LlmResponse::new(head, dialect, LlmOutput::Events(EventStream::new(held)))
}

enum Held {
    Waiting {
        rest: Rest<Llm>,
        every: Interval,
        keep_alive: &'static [u8],
    },
    Streaming(EventStream),
    Ended,
}

impl Stream for Held {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this {
                Self::Streaming(events) => return Pin::new(events).poll_next(cx),
                Self::Ended => return Poll::Ready(None),
                Self::Waiting {
                    rest,
                    every,
                    keep_alive,
                } => match rest.as_mut().poll(cx) {
                    Poll::Ready(reply) => match began(reply) {
                        Ok(events) => *this = Self::Streaming(events),
                        Err(e) => {
                            *this = Self::Ended;
                            return Poll::Ready(Some(Err(e)));
                        }
                    },
                    Poll::Pending => {
                        ready!(every.poll_tick(cx));
                        let alive = bytes::Bytes::from_static(keep_alive);
                        return Poll::Ready(Some(Ok(Batch::from(alive))));
                    }
                },
            }
        }
    }
}

/// The stream of a reply. An error reply cannot be passed on any more, so it is told.
fn began(reply: Result<LlmResponse, Error>) -> Result<EventStream, Error> {
    let reply = reply?;
    match reply.body {
        LlmOutput::Events(events) if reply.head.status.is_success() => Ok(events),
        _ => {
            let status = reply.head.status;
            let words = format!("every attempt failed; the upstream answered {status}");
            Err(Error::new(&codes::UPSTREAM_FAILED, words))
        }
    }
}
