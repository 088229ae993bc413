//! Errors rendered in the caller's dialect: the outermost layer of the line.

mod future;
mod stream;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, request};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::Body;
use crate::context::{Context, Outcome};
use crate::error::{BoxError, Error};

pub use future::ResponseFuture;

/// The reply header that carries the code of an error the gateway made.
pub const ERROR_HEADER: HeaderName = HeaderName::from_static("portcullis-error");

/// Writes an error as one dialect does.
pub trait Render: Send + Sync {
    /// The body of an error reply, and its content type.
    fn body(&self, error: &Error) -> (Bytes, HeaderValue);

    /// The error as a piece of a stream that has already begun, or nothing if the dialect has no such
    /// thing and the stream must simply be cut.
    fn in_stream(&self, error: &Error) -> Option<Bytes>;

    /// As [`in_stream`](Self::in_stream), for a stream of which no byte has gone out yet.
    fn at_start(&self, error: &Error) -> Option<Bytes> {
        self.in_stream(error)
    }

    /// Whether a reply of this content type is a stream that errors can be written into. By default server-sent
    /// events are.
    fn is_stream(&self, content_type: &[u8]) -> bool {
        let kind = content_type.get(..17);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/event-stream"))
    }

    /// Headers the dialect has for an error, beside those every error reply has.
    fn headers(&self, error: &Error, headers: &mut HeaderMap) {
        let _ = (error, headers);
    }

    /// The whole reply: status, `retry-after`, the error's own headers and the code, around the body.
    fn whole(&self, error: &Error) -> http::Response<Body> {
        let (body, content_type) = self.body(error);
        let mut reply = http::Response::new(Body::from(body));
        *reply.status_mut() = error.status();
        let headers = reply.headers_mut();
        headers.extend(error.headers().iter().map(|(n, v)| (n.clone(), v.clone())));
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(ERROR_HEADER, HeaderValue::from_static(error.code().name));
        self.headers(error, headers);
        if let Some(after) = error.after() {
            headers.insert(
                RETRY_AFTER,
                after
                    .as_millis()
                    .div_ceil(1000)
                    .max(1)
                    .to_string()
                    .parse()
                    .expect("digits are a header value"),
            );
        }
        reply
    }
}

/// Problem details for HTTP APIs (RFC 9457): how plain HTTP callers are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

impl Render for Problem {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": error.code().about,
            "status": error.code().status,
            "detail": error.message(),
            "code": error.code().name,
        });
        (
            body.to_string().into(),
            HeaderValue::from_static("application/problem+json"),
        )
    }

    fn in_stream(&self, _: &Error) -> Option<Bytes> {
        None
    }
}

/// Picks how errors of a call are written, by the head of its request. Any closure over the head does.
pub trait PickRender {
    /// The renderer for calls with this head.
    fn pick(&self, head: &request::Parts) -> Arc<dyn Render>;
}

impl<F: Fn(&request::Parts) -> Arc<dyn Render>> PickRender for F {
    fn pick(&self, head: &request::Parts) -> Arc<dyn Render> {
        self(head)
    }
}

/// Turns errors into replies. Outermost: what comes out cannot fail any more.
///
/// A stream of events that breaks off with an error gets that error as its last event, where its dialect
/// has such a thing; so a stream that was cut is never taken for a whole one. What is rendered is also
/// noted in the call's record, if the request carries a [`Context`].
///
/// `F` picks the renderer from the head of the request, before anything else has looked at it.
#[derive(Clone, Debug)]
pub struct RespondLayer<F> {
    pick: F,
}

impl<F: PickRender> RespondLayer<F> {
    /// Renders with what `pick` returns.
    pub fn new(pick: F) -> Self {
        Self { pick }
    }
}

impl RespondLayer<fn(&request::Parts) -> Arc<dyn Render>> {
    /// Renders every error as RFC 9457 problem details.
    pub fn problem() -> Self {
        Self {
            pick: |_| Arc::new(Problem),
        }
    }
}

impl<S, F: Clone> Layer<S> for RespondLayer<F> {
    type Service = Respond<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Respond {
            inner,
            pick: self.pick.clone(),
        }
    }
}

/// A service whose errors are replies. Made by [`RespondLayer`].
#[derive(Clone)]
pub struct Respond<S, F> {
    inner: S,
    pick: F,
}

impl<S, F, B, R> Service<http::Request<B>> for Respond<S, F>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Error: Into<Error>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
    F: PickRender,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        // An inner service that failed for good says so again when called, where it can be rendered.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        ResponseFuture {
            render: Some(self.pick.pick(&parts)),
            context: parts.extensions.get::<Context>().cloned(),
            reply: self.inner.call(http::Request::from_parts(parts, body)),
        }
    }
}

/// Notes in the record of the call that it failed, and why.
fn note(context: Option<&Context>, error: &Error) {
    if let Some(context) = context {
        context.record(|exchange| {
            exchange.outcome = Outcome::Failed(error.code());
            exchange.error = Some(error.chain().into());
        });
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Respond<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Respond")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
