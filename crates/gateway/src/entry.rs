//! The outermost stretch: every call gets its context, its id and its record here, with what contains its panics.

mod contain;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{HeaderName, Method};
use http_body::Body as _;
use portcullis_core::body::Body;
use portcullis_core::context::{Context, ExchangeSink, Hold, Outcome, RequestId};
use portcullis_core::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::listener::ConnectionInfo;

pub use contain::{Contain, ContainFuture, ContainLayer};

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
{
    type Response = Response;
    type Error = S::Error;
    type Future = EntryFuture<S::Future>;

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
        EntryFuture {
            head_only: request.method() == Method::HEAD,
            // Before the call: what it does at once may panic.
            waiting: Waiting(Some((context.hold(), context))),
            reply: self.inner.call(request),
        }
    }
}

pin_project_lite::pin_project! {
    /// The reply to one call, whose record ends with it.
    pub struct EntryFuture<F> {
        #[pin]
        reply: F,
        waiting: Waiting,
        head_only: bool,
    }
}

impl<F, E> Future for EntryFuture<F>
where
    F: Future<Output = Result<Response, E>>,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = ready!(this.reply.poll(cx));
        let waited = this.waiting.0.take();
        let (hold, context) = waited.expect("a future is not polled after its end");
        let mut reply = reply?;
        close_head(&context, &mut reply);
        if *this.head_only {
            reply = without_body(reply);
        }
        Poll::Ready(Ok(reply.map(|body| recorded(body, context, hold))))
    }
}

/// A body at whose end the record of its call is complete.
fn recorded(body: Body, context: Context, hold: Hold) -> Body {
    body.on_end(move |end| {
        context.record(|exchange| {
            exchange.bytes_out += end.bytes;
            if exchange.outcome == Outcome::Completed {
                exchange.outcome = end.how.into();
            }
        });
        drop(hold);
    })
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
    if let Some(connection) = connection {
        context.set_source(connection.source());
    }
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

impl<F> std::fmt::Debug for EntryFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EntryFuture")
    }
}
