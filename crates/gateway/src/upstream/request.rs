//! Upstream client: the request body as the connection sees it, and what of it was handed over.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use super::BoxError;

/// A request body of any type, which counts the frames a connection has taken from it.
pub(super) struct RequestBody {
    inner: UnsyncBoxBody<Bytes, BoxError>,
    progress: Arc<AtomicUsize>,
}

/// Tells the side that waits for the response how far the request got.
#[derive(Clone)]
pub(super) struct Progress {
    taken: Arc<AtomicUsize>,
    seen: usize,
}

impl RequestBody {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            inner: body.map_err(Into::into).boxed_unsync(),
            progress: Arc::default(),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            taken: Arc::clone(&self.progress),
            seen: 0,
        }
    }
}

impl Progress {
    /// Whether more of the body was taken since the last time this was asked.
    pub(super) fn moved(&mut self) -> bool {
        let now = self.taken.load(Relaxed);
        std::mem::replace(&mut self.seen, now) != now
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let item = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.progress.fetch_add(1, Relaxed);
        Poll::Ready(item)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
