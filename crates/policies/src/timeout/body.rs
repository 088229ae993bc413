//! The wait for the rest of the reply.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use portcullis_core::body::Body;
use portcullis_core::error::Error;

use super::limit::Limit;

/// A body that fails when the time of its call is over.
pub(super) struct TimedBody {
    inner: Body,
    limit: Limit,
}

impl TimedBody {
    pub(super) fn new(inner: Body, limit: Limit) -> Self {
        Self { inner, limit }
    }
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let late = match &polled {
            Poll::Ready(Some(Ok(_))) => self.limit.check(),
            Poll::Ready(_) => None,
            Poll::Pending => Some(ready!(self.limit.poll(cx))),
        };
        match late {
            Some(error) => {
                self.inner = Body::empty();
                Poll::Ready(Some(Err(error)))
            }
            None => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
