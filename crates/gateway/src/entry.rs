//! The outermost stretch: every call gets its context, its id and its record here, and panics stop here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, Method};
use http_body::{Body as _, Frame, SizeHint};
use portcullis_core::body::Body;
use portcullis_core::context::{Context, ExchangeSink, Hold, Outcome, RequestId};
use portcullis_core::error::{Error, codes};
use portcullis_core::{BoxFuture, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::listener::ConnectionInfo;

/// The header a call's id is taken from and returned in.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where the id an upstream gave its reply is returned, since `x-request-id` is the gateway's.
pub const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
const TRACEPARENT: &str = "traceparent";

/// Opens a [`Context`] for every call and closes its record when the reply has ended. Outermost of all.
///
/// The id is the caller's `x-request-id` if it has a fit one, else a new one; it is returned in
/// `x-request-id`. An upstream's own `x-request-id` is returned as `x-upstream-request-id`.
#[derive(Clone)]
pub struct EntryLayer {
    sink: Option<Arc<dyn ExchangeSink>>,
}

impl EntryLayer {
    /// Records go to `sink`, if there is one.
    pub fn new(sink: Option<Arc<dyn ExchangeSink>>) -> Self {
        Self { sink }
    }
}

impl<S> Layer<S> for EntryLayer {
    type Service = Entry<S>;

    fn layer(&self, inner: S) -> Entry<S> {
        Entry {
            inner,
            sink: self.sink.clone(),
        }
    }
}

/// A service whose calls are recorded. Made by [`EntryLayer`].
#[derive(Clone)]
pub struct Entry<S> {
    inner: S,
    sink: Option<Arc<dyn ExchangeSink>>,
}

impl<S> Service<Request> for Entry<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let id = request
            .headers()
            .get(REQUEST_ID)
            .and_then(RequestId::accept);
        let context = Context::new(id.unwrap_or_else(RequestId::make), self.sink.clone());
        open(&context, &request);
        request
            .headers_mut()
            .insert(REQUEST_ID, context.id().to_header());
        request.extensions_mut().insert(context.clone());
        let head_only = request.method() == Method::HEAD;
        let mut waiting = Waiting(Some((context.hold(), context)));
        let reply = self.inner.call(request);
        Box::pin(async move {
            let reply = reply.await;
            let (hold, context) = waiting.0.take().expect("taken here only");
            let mut reply = reply?;
            close_head(&context, &mut reply);
            if head_only {
                reply = without_body(reply);
            }
            Ok(reply.map(|body| {
                body.on_end(move |end| {
                    context.record(|exchange| {
                        exchange.bytes_out = end.bytes;
                        if exchange.outcome == Outcome::Completed {
                            exchange.outcome = end.how.into();
                        }
                    });
                    drop(hold);
                })
            }))
        })
    }
}

/// A call whose reply has not begun. Dropped, it notes that the caller left and lets the record go.
struct Waiting(Option<(Hold, Context)>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((_hold, context)) = &self.0 {
            context.record(|exchange| exchange.outcome = Outcome::ClientLeft);
        }
    }
}

/// What is known of a call when it comes in.
fn open(context: &Context, request: &Request) {
    let connection = request.extensions().get::<ConnectionInfo>();
    let trace = request
        .headers()
        .get(TRACEPARENT)
        .and_then(|v| v.to_str().ok());
    context.record(|exchange| {
        exchange.method = request.method().clone();
        exchange.path = request.uri().path().into();
        exchange.traceparent = trace.map(Into::into);
        if let Some(connection) = connection {
            exchange.client = connection.peer;
            exchange.listener = Some(connection.listener.clone());
        }
    });
}

/// What is known when the reply begins.
fn close_head(context: &Context, reply: &mut Response) {
    let status = reply.status();
    context.record(|exchange| exchange.status = Some(status));
    let id = context.id().to_header();
    if let Some(theirs) = reply.headers_mut().insert(REQUEST_ID, id)
        && theirs.as_bytes() != context.id().as_str().as_bytes()
    {
        reply.headers_mut().insert(UPSTREAM_REQUEST_ID, theirs);
    }
}

/// The reply to a `HEAD` request: as long as the body would have been, which is not sent.
fn without_body(mut reply: Response) -> Response {
    if let Some(length @ 1..) = reply.body().size_hint().exact() {
        let headers = reply.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    reply.map(|_| Body::empty())
}

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
    S: Service<Request, Response = http::Response<Body>, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let reply = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let reply = match reply {
                Ok(reply) => AssertUnwindSafe(reply).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let reply = reply.unwrap_or_else(|_| Err(panicked()))?;
            Ok(reply.map(|body| match body.bytes() {
                Some(_) => body,
                None => Body::new(ContainedBody(body)),
            }))
        })
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

impl std::fmt::Debug for EntryLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EntryLayer")
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for Entry<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
