//! The start of a call's time, and word of it to those behind.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use portcullis_core::body::Body;
use portcullis_core::context::HasContext;
use portcullis_core::error::{BoxError, Error};
use portcullis_core::upstream::Timeouts;
use tower_service::Service;

use super::ResponseFuture;
use super::limit::Limit;

/// A service whose calls are bounded in time. Made by [`TimeoutsLayer`](super::TimeoutsLayer).
#[derive(Clone, Debug)]
pub struct Timed<S> {
    inner: S,
    request: Option<Duration>,
    upstream: Timeouts,
}

impl<S> Timed<S> {
    pub(super) fn new(inner: S, request: Option<Duration>, upstream: Timeouts) -> Self {
        Self {
            inner,
            request,
            upstream,
        }
    }
}

impl<S, B, R> Service<Request<B>> for Timed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Error>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.upstream != Timeouts::default() {
            let extensions = request.extensions_mut();
            let outer = extensions.get().copied().unwrap_or_default();
            extensions.insert(self.upstream.or(outer));
        }
        let limit = self
            .request
            .and_then(|after| Limit::start(after, request.context()));
        ResponseFuture::new(self.inner.call(request), limit)
    }
}
