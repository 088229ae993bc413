//! The reply to a call that has reserved, or its refusal.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, HeaderValue};
use pin_project_lite::pin_project;
use portcullis_core::error::Error;
use portcullis_core::llm::LlmResponse;

use super::charge::Pending;

pin_project! {
    /// The reply to a call within its limits, or its refusal.
    #[derive(Debug)]
    pub struct Limited<F, T> {
        // Before what is pending: dropped first, it files what was used.
        #[pin]
        inner: Option<F>,
        pending: Option<Pending>,
        headers: Vec<(HeaderName, HeaderValue)>,
        finish: fn(T, Pending) -> T,
        refused: Option<Error>,
    }
}

impl<F, T> Limited<F, T> {
    pub(crate) fn admitted(
        inner: F,
        pending: Pending,
        headers: Vec<(HeaderName, HeaderValue)>,
        finish: fn(T, Pending) -> T,
    ) -> Self {
        Self {
            inner: Some(inner),
            pending: Some(pending),
            headers,
            finish,
            refused: None,
        }
    }

    pub(crate) fn refused(error: Error) -> Self {
        Self {
            inner: None,
            pending: None,
            headers: Vec::new(),
            finish: |reply, _| reply,
            refused: Some(error),
        }
    }
}

impl<F, T, E> Future for Limited<F, T>
where
    F: Future<Output = Result<T, E>>,
    T: Headed,
    E: Into<Error>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            let refused = this.refused.take();
            return Poll::Ready(Err(refused.expect("a future is not polled after its end")));
        };
        let reply = ready!(inner.poll(cx));
        let pending = this.pending.take();
        let pending = pending.expect("a future is not polled after its end");
        this.inner.set(None);
        Poll::Ready(match reply {
            Ok(mut reply) => {
                let headers = reply.headers();
                for (name, value) in this.headers.drain(..) {
                    headers.insert(name, value);
                }
                Ok((this.finish)(reply, pending))
            }
            Err(e) => {
                pending.failed();
                Err(e.into())
            }
        })
    }
}

/// A reply with a head.
pub trait Headed {
    /// Its header fields.
    fn headers(&mut self) -> &mut HeaderMap;
}

impl<R> Headed for http::Response<R> {
    fn headers(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl Headed for LlmResponse {
    fn headers(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }
}
