//! The reply to one call, its error rendered.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use bytes::Bytes;

use super::{Render, note, stream};
use crate::body::Body;
use crate::context::Context;
use crate::error::{BoxError, Error};

pin_project_lite::pin_project! {
    /// The future of [`Respond`](super::Respond).
    pub struct ResponseFuture<F> {
        #[pin]
        pub(super) reply: F,
        pub(super) render: Option<Arc<dyn Render>>,
        pub(super) context: Option<Context>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<http::Response<R>, E>>,
    E: Into<Error>,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Output = Result<http::Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = ready!(this.reply.poll(cx));
        let render = this.render.take();
        let render = render.expect("a future is not polled after its end");
        Poll::Ready(Ok(match reply {
            Ok(reply) => stream::guard(reply.map(Body::new), render, this.context.take()),
            Err(e) => {
                let e = e.into();
                note(this.context.as_ref(), &e);
                render.whole(&e)
            }
        }))
    }
}

impl<F> std::fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseFuture")
    }
}
