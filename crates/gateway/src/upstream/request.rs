//! Upstream client: the request body as the connection sees it, and what of it was handed over.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use super::BoxError;

/// A request body of any type, which counts the frames a connection has taken from it.
pub(super) struct RequestBody {
    /// Taken from the inner one already, to look at it.
    first: Option<Result<Frame<Bytes>, RequestBodyError>>,
    inner: UnsyncBoxBody<Bytes, RequestBodyError>,
    taken: Arc<Taken>,
}

/// What an exchange wants to know about a body that hyper owns.
#[derive(Default)]
struct Taken {
    frames: AtomicUsize,
    failed: AtomicBool,
}

/// Tells the side that waits for the response how far the request got.
pub(super) struct Progress {
    taken: Arc<Taken>,
    seen: usize,
}

/// An error of the request body, marked so that it can be told from hyper's own.
#[derive(Debug)]
pub(super) struct RequestBodyError(BoxError);

impl RequestBody {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            first: None,
            inner: body
                .map_err(|error| RequestBodyError(error.into()))
                .boxed_unsync(),
            taken: Arc::default(),
        }
    }

    /// All of the body, if it is there at once in one piece.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        if self.is_end_stream() {
            return Some(Bytes::new());
        }
        if self.first.is_none() {
            let mut quiet = Context::from_waker(Waker::noop());
            if let Poll::Ready(first) = Pin::new(&mut self.inner).poll_frame(&mut quiet) {
                self.first = first;
            }
        }
        let data = self.first.as_ref()?.as_ref().ok()?.data_ref()?;
        self.inner.is_end_stream().then(|| data.clone())
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            taken: Arc::clone(&self.taken),
            seen: 0,
        }
    }
}

impl Progress {
    /// Whether more of the body was taken since the last time this was asked.
    pub(super) fn moved(&mut self) -> bool {
        let now = self.taken.frames.load(Relaxed);
        std::mem::replace(&mut self.seen, now) != now
    }

    /// Whether the body ended with an error.
    pub(super) fn failed(&self) -> bool {
        self.taken.failed.load(Relaxed)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let item = match self.first.take() {
            Some(first) => Some(first),
            None => ready!(Pin::new(&mut self.inner).poll_frame(cx)),
        };
        self.taken.frames.fetch_add(1, Relaxed);
        if let Some(Err(_)) = &item {
            self.taken.failed.store(true, Relaxed);
        }
        Poll::Ready(item)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.inner.size_hint();
        let Some(Ok(first)) = &self.first else {
            return rest;
        };
        let first = first.data_ref().map_or(0, |data| data.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(first));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint
    }
}

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request body could not be read")
    }
}

impl Error for RequestBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}
