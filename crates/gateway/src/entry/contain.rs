//! The outermost stretch: a panic ends one call, and is an error like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

/// Turns a panic of the call, or of its reply's body, into the error `panicked`. Stands inside the layer
/// that renders errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContainLayer;

impl<S> Layer<S> for ContainLayer {
    type Service = Contain<S>;

    fn layer(&self, inner: S) -> Contain<S> {
        Contain { inner }
    }
}

/// A service whose panics end one call. Made by [`ContainLayer`].
#[derive(Clone, Debug)]
pub struct Contain<S> {
    inner: S,
}

impl<S> Service<Request> for Contain<S>
where
    S: Service<Request, Response = Response, Error = Error>,
{
    type Response = Response;
    type Error = Error;
    type Future = ContainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let reply = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        ContainFuture { reply: reply.ok() }
    }
}

pin_project_lite::pin_project! {
    /// The reply to one call, or the error its panic became.
    pub struct ContainFuture<F> {
        // None when the call panicked before there was a future.
        #[pin]
        reply: Option<F>,
    }
}

impl<F> Future for ContainFuture<F>
where
    F: Future<Output = Result<Response, Error>>,
{
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let Some(reply) = self.project().reply.as_pin_mut() else {
            return Poll::Ready(Err(panicked()));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| reply.poll(cx)));
        let reply = ready!(polled.unwrap_or_else(|_| Poll::Ready(Err(panicked()))));
        Poll::Ready(reply.map(|reply| reply.map(contained)))
    }
}

fn contained(body: Body) -> Body {
    match body.bytes() {
        Some(_) => body,
        None => Body::new(ContainedBody(body)),
    }
}

/// A body whose panics are its error.
struct ContainedBody(Body);

impl http_body::Body for ContainedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll_frame(cx)));
        polled.unwrap_or_else(|_| {
            self.0 = Body::empty();
            Poll::Ready(Some(Err(panicked())))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn panicked() -> Error {
    Error::new(&codes::PANICKED, "the gateway failed on this call")
}

impl<F> std::fmt::Debug for ContainFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContainFuture")
    }
}
