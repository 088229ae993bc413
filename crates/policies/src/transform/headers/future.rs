//! The edits of the reply.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use portcullis_core::error::Error;

use super::HeaderEdits;

pin_project! {
    /// The reply with its headers edited. Made by [`HeaderModifiers`](super::HeaderModifiers).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        edits: Option<Arc<HeaderEdits>>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, edits: Option<Arc<HeaderEdits>>) -> Self {
        Self { inner, edits }
    }
}

impl<F, E, R> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<R>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut reply = ready!(this.inner.poll(cx)).map_err(Into::into)?;
        if let Some(edits) = this.edits {
            edits.apply(reply.headers_mut());
        }
        Poll::Ready(Ok(reply))
    }
}
