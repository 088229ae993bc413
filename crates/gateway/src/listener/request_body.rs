//! The first stretch of the line: the body of a request, bounded in size and in the time it is waited for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use portcullis_core::error::{BoxError, Error, codes};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

use super::activity::Activity;
use super::codes::BODY_TIMEOUT;

/// The bytes that must arrive for the wait to begin anew. Less is a client that only keeps its connection.
const PROGRESS: u64 = 1024;

/// Whether the reply to a call has begun: what a client then sends, it sends when it likes.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_noted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that fails when it becomes too large, or is waited for too long.
#[derive(Debug)]
pub(super) struct RequestBody<B = Incoming> {
    inner: B,
    max: u64,
    seen: u64,
    patience: Option<Patience>,
    /// Of a connection whose end may be kept back: then what is there is all.
    connection: Option<Arc<Activity>>,
}

/// How long the body has been waited for since it last made progress.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    waited: Duration,
    /// Bytes that came within this time.
    came: u64,
    since: Option<Instant>,
    /// Whether the body was asked for and had nothing once. It never has at first: what came with the head is
    /// read only when it is wanted, before the task is through.
    asked: bool,
    /// Made at the first real wait: most bodies come with their head.
    timer: Option<Pin<Box<Sleep>>>,
    begun: Begun,
}

impl<B> RequestBody<B> {
    /// Bounds `inner` to `max` bytes, and each wait for it to `limit`, unless that is zero or the reply has
    /// `begun`.
    pub(super) fn new(inner: B, max: u64, limit: Duration, begun: Begun) -> Self {
        let patience = (!limit.is_zero()).then_some(Patience {
            limit,
            waited: Duration::ZERO,
            came: 0,
            since: None,
            asked: false,
            timer: None,
            begun,
        });
        Self {
            inner,
            max,
            seen: 0,
            patience,
            connection: None,
        }
    }

    /// Asks this connection whether there is more to come.
    pub(super) fn of_connection(mut self, connection: Option<Arc<Activity>>) -> Self {
        self.connection = connection;
        self
    }
}

/// The refusal of a body larger than `max` bytes.
pub(super) fn too_large(max: u64) -> Error {
    let what = format!("the request body is larger than the {max} bytes this listener allows");
    Error::new(&codes::BODY_TOO_LARGE, what)
}

impl Patience {
    fn came(&mut self, bytes: u64) {
        let Some(since) = self.since.take() else {
            return;
        };
        self.waited += since.elapsed();
        self.came += bytes;
        if self.came >= PROGRESS {
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
    }

    /// Whether it is at its end. Else the task is woken when it will be.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.begun.is_noted() {
            return false;
        }
        if !self.asked {
            self.asked = true;
            cx.waker().wake_by_ref();
            return false;
        }
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            let end = now + self.limit.saturating_sub(self.waited);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(end),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(end))),
            }
        }
        let timer = self.timer.as_mut().expect("set with the wait's beginning");
        // A poll that only yields to other tasks would not arm it.
        let over = Pin::new(&mut unconstrained(timer.as_mut()))
            .poll(cx)
            .is_ready();
        over && !self.begun.is_noted()
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let connection = this.connection.as_deref();
        // Before the look: what is handed over between the two is not missed.
        let all = connection.is_some_and(Activity::is_half_closed);
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if polled.is_pending() {
            if all {
                let error = Error::new(&codes::BODY_BROKEN, codes::BODY_BROKEN.about);
                return Poll::Ready(Some(Err(error)));
            }
            if let Some(connection) = connection {
                connection.waits(cx);
                if connection.is_half_closed() {
                    cx.waker().wake_by_ref();
                }
            }
            let over = this.patience.as_mut().is_some_and(|p| p.is_over(cx));
            if over {
                let error = Error::new(&BODY_TIMEOUT, BODY_TIMEOUT.about);
                return Poll::Ready(Some(Err(error)));
            }
        }
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error = Error::from_boxed(error.into(), &codes::BODY_BROKEN);
                return Poll::Ready(Some(Err(error)));
            }
            None => return Poll::Ready(None),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        this.seen += length;
        if let Some(patience) = &mut this.patience {
            patience.came(length);
        }
        if this.seen > this.max {
            return Poll::Ready(Some(Err(too_large(this.max))));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::BodyExt;
    use http_body_util::channel::{Channel, Sender};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    type Piped = (
        Sender<Bytes, Infallible>,
        RequestBody<Channel<Bytes, Infallible>>,
        Begun,
    );

    fn piped(max: u64) -> Piped {
        let (sender, inner) = Channel::new(4);
        let begun = Begun::default();
        let body = RequestBody::new(inner, max, LIMIT, begun.clone());
        (sender, body, begun)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_fails_after_the_limit() {
        let (_sender, mut body, _) = piped(10);
        let start = Instant::now();
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.code().name, "body_timeout");
        assert_eq!(start.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_no_progress_and_a_flow_is() {
        let run = |size: usize| async move {
            let (mut sender, body, _) = piped(1 << 20);
            let feed = tokio::spawn(async move {
                for _ in 0..10 {
                    tokio::time::sleep(LIMIT / 3).await;
                    sender
                        .send_data(vec![0; size].into())
                        .await
                        .unwrap_or_default();
                }
            });
            let read = body.collect().await.map(|whole| whole.to_bytes().len());
            feed.abort();
            read.map_err(|error| error.code().name)
        };
        assert_eq!(run(1).await, Err("body_timeout"));
        assert_eq!(run(1024).await, Ok(10 * 1024));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_is_not_the_clients_fault() {
        let (mut sender, mut body, _) = piped(10);
        for _ in 0..3 {
            sender.send_data("a".into()).await.unwrap();
            body.frame().await.unwrap().unwrap();
            tokio::time::advance(LIMIT * 2).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn once_the_reply_has_begun_nothing_hurries() {
        let (sender, mut body, begun) = piped(10);
        begun.note();
        tokio::spawn(async move {
            tokio::time::sleep(LIMIT * 10).await;
            drop(sender);
        });
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_body_may_have_as_many_bytes_as_allowed_and_none_more() {
        for (length, fits) in [(10, true), (11, false)] {
            let (mut sender, body, _) = piped(10);
            sender.send_data(vec![0; length].into()).await.unwrap();
            drop(sender);
            assert_eq!(body.collect().await.is_ok(), fits);
        }
    }
}
