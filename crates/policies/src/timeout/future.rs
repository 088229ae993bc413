//! The wait for the head of the reply.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body as _;
use pin_project_lite::pin_project;
use portcullis_core::body::Body;
use portcullis_core::error::{BoxError, Error};

use super::body::TimedBody;
use super::limit::Limit;

pin_project! {
    /// The reply to a call that is bounded in time. Made by [`Timed`](super::Timed).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        limit: Option<Limit>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, limit: Option<Limit>) -> Self {
        Self { inner, limit }
    }
}

impl<F, E, R> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<Error>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.inner.poll(cx) {
            let reply = answer.map_err(Into::into)?;
            let limit = this.limit.take();
            return Poll::Ready(Ok(reply.map(|body| within(Body::new(body), limit))));
        }
        match this.limit {
            Some(limit) => Poll::Ready(Err(ready!(limit.poll(cx)))),
            None => Poll::Pending,
        }
    }
}

fn within(body: Body, limit: Option<Limit>) -> Body {
    let complete = body.is_end_stream() || body.bytes().is_some();
    match limit {
        Some(limit) if !complete => Body::new(TimedBody::new(body, limit)),
        _ => body,
    }
}
