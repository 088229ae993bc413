//! A streamed reply as batches of events.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;

use super::{Batch, Blocks, Dialect};
use crate::body::{Body, End, Ended};
use crate::error::Error;
use crate::wire::Split;
use crate::wire::sse::Splitter;

/// The largest single event held while its end has not come. A larger one fails the stream.
pub const MAX_EVENT: usize = 8 << 20;

/// A streamed reply: batches of events, each the bytes that were ready together.
///
/// Dropping it drops what feeds it, which cancels the upstream.
pub struct EventStream(Pin<Box<dyn Stream<Item = Result<Batch, Error>> + Send>>);

/// What becomes of a batch in [`EventStream::map_batches`].
#[derive(Debug)]
pub enum Step {
    /// This goes on to the caller.
    Emit(Batch),
    /// Nothing goes on for now: the closure keeps what it was given.
    Hold,
    /// The stream ends here, with this error; what feeds it is dropped at once.
    Stop(Error),
    /// As `Stop`, and this goes on to the caller before the error: so that what came before the place that
    /// ends the stream is delivered even if both were in one batch.
    Last(Batch, Error),
}

impl EventStream {
    /// Reads server-sent events of `dialect` out of a body, at any chunking. What is incomplete when the
    /// body ends is passed on as it is.
    pub fn read(body: Body, dialect: Arc<dyn Dialect>) -> Self {
        Self::split(body, dialect, Splitter::new(MAX_EVENT))
    }

    /// Reads events of `dialect` out of a body in the framing that `split` takes apart, as
    /// [`Dialect::splitter`] gives it.
    pub fn split(body: Body, dialect: Arc<dyn Dialect>, split: impl Split + 'static) -> Self {
        Self::new(Read {
            blocks: Blocks::new(body, split),
            dialect,
        })
    }

    /// A stream that has ended.
    pub(super) fn empty() -> Self {
        struct Empty;
        impl Stream for Empty {
            type Item = Result<Batch, Error>;
            fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                Poll::Ready(None)
            }
        }
        Self::new(Empty)
    }

    /// Takes any stream of batches.
    pub fn new(batches: impl Stream<Item = Result<Batch, Error>> + Send + 'static) -> Self {
        Self(Box::pin(batches))
    }

    /// Passes every batch through `f`, and `None` once when the stream has ended, so that what was held
    /// can still go out.
    #[must_use]
    pub fn map_batches(self, f: impl FnMut(Option<Batch>) -> Step + Send + 'static) -> Self {
        Self::new(MapBatches {
            inner: Some(self),
            stopped: None,
            f,
        })
    }

    /// Calls `f` once when the stream has ended, after what feeds it was dropped.
    #[must_use]
    pub fn on_end(self, f: impl FnOnce(End) + Send + 'static) -> Self {
        Self::new(OnEnd {
            inner: self,
            bytes: 0,
            f: Some(f),
        })
    }

    /// The stream as the bytes of a body, hidden events left out. An error is the body's error, which
    /// [`RespondLayer`](crate::respond::RespondLayer) renders as a last event.
    pub fn into_body(self) -> Body {
        Body::new(IntoBody { inner: self })
    }
}

impl Stream for EventStream {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

struct Read<S> {
    blocks: Blocks<S>,
    dialect: Arc<dyn Dialect>,
}

// Nothing in it is ever pinned.
impl<S> Unpin for Read<S> {}

impl<S: Split> Stream for Read<S> {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let block = ready!(this.blocks.poll(cx));
        Poll::Ready(block.map(|block| Ok(Batch::read(block?, &*this.dialect))))
    }
}

struct MapBatches<F> {
    inner: Option<EventStream>,
    /// What the stream ends with once its last batch has gone out.
    stopped: Option<Error>,
    f: F,
}

// The closure is never pinned and never handed out.
impl<F> Unpin for MapBatches<F> {}

impl<F: FnMut(Option<Batch>) -> Step> Stream for MapBatches<F> {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(inner) = &mut this.inner else {
                return Poll::Ready(this.stopped.take().map(Err));
            };
            let batch = match ready!(Pin::new(inner).poll_next(cx)) {
                Some(Err(e)) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(e)));
                }
                Some(Ok(batch)) => Some(batch),
                None => {
                    this.inner = None;
                    None
                }
            };
            match (this.f)(batch) {
                Step::Emit(batch) => return Poll::Ready(Some(Ok(batch))),
                Step::Hold => {}
                Step::Stop(error) => {
                    this.inner = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Step::Last(batch, error) => {
                    this.inner = None;
                    this.stopped = Some(error);
                    return Poll::Ready(Some(Ok(batch)));
                }
            }
        }
    }
}

struct OnEnd<F: FnOnce(End)> {
    inner: EventStream,
    bytes: u64,
    f: Option<F>,
}

impl<F: FnOnce(End)> OnEnd<F> {
    fn end(&mut self, how: Ended) {
        if let Some(f) = self.f.take() {
            self.inner = EventStream::empty();
            f(End {
                how,
                bytes: self.bytes,
            });
        }
    }
}

// The closure is never pinned and never handed out.
impl<F: FnOnce(End)> Unpin for OnEnd<F> {}

impl<F: FnOnce(End)> Stream for OnEnd<F> {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.inner).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => self.bytes += batch.raw().len() as u64,
            Poll::Ready(Some(Err(e))) => {
                let code = e.code();
                self.end(Ended::Failed(code));
            }
            Poll::Ready(None) => self.end(Ended::Completed),
            Poll::Pending => {}
        }
        polled
    }
}

impl<F: FnOnce(End)> Drop for OnEnd<F> {
    fn drop(&mut self) {
        self.end(Ended::Left);
    }
}

struct IntoBody {
    inner: EventStream,
}

impl http_body::Body for IntoBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let Some(batch) = ready!(Pin::new(&mut self.inner).poll_next(cx)) else {
                return Poll::Ready(None);
            };
            let bytes = batch?.into_bytes();
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }
}
