//! The look at what a request declares, and the count of the rest.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use portcullis_core::assemble::PolicyKind;
use portcullis_core::body::{Body, MaxUnpacked};
use portcullis_core::context::{self, Decision};
use portcullis_core::error::{BoxError, Error};
use tower_service::Service;

use super::bounded::{Bound, Bounded, too_large};
use super::{BodyLimitPolicy, ResponseFuture};
use crate::note;

/// A service for requests with bodies within a bound. Made by [`BodyLimitLayer`](super::BodyLimitLayer).
#[derive(Clone, Debug)]
pub struct BodyLimit<S> {
    inner: S,
    max: u64,
}

impl<S> BodyLimit<S> {
    pub(super) fn new(inner: S, max: u64) -> Self {
        Self { inner, max }
    }
}

impl<S, B, R> Service<Request<B>> for BodyLimit<S>
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: Into<Error>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        if head.headers.contains_key(CONTENT_ENCODING) {
            head.extensions.insert(MaxUnpacked(self.max));
        }
        let record = head.extensions.get::<context::Context>();
        if declared(&head.headers, &body) > self.max {
            if let Some(context) = record {
                note(context, BodyLimitPolicy::NAME, Decision::Refused);
            }
            return ResponseFuture::refused(too_large(self.max));
        }
        let body = Body::new(body);
        if body.is_end_stream() || body.bytes().is_some() {
            return ResponseFuture::within(self.inner.call(Request::from_parts(head, body)));
        }
        let bound = Bound::new(self.max, record.cloned());
        let bounded = Body::new(Bounded::new(body, bound.clone()));
        let inner = self.inner.call(Request::from_parts(head, bounded));
        ResponseFuture::counted(inner, bound)
    }
}

/// The length a request admits to. A `content-length` that is no number is for the listener to refuse.
fn declared(headers: &HeaderMap, body: &impl http_body::Body) -> u64 {
    let written = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    body.size_hint().lower().max(written.unwrap_or(0))
}
