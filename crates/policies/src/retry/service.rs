//! Word of it to the engine.

use std::task::{Context, Poll};

use portcullis_core::attempt::{Retry, Wishes};
use portcullis_core::context::HasContext;
use tower_service::Service;

/// A service whose calls ask for further attempts of their own. Made by [`RetryLayer`](super::RetryLayer).
#[derive(Clone, Copy, Debug)]
pub struct Retrying<S> {
    inner: S,
    retry: Retry,
}

impl<S> Retrying<S> {
    pub(super) fn new(inner: S, retry: Retry) -> Self {
        Self { inner, retry }
    }
}

impl<S, R> Service<R> for Retrying<S>
where
    S: Service<R>,
    R: HasContext,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        request.context().attributes(|attributes| {
            attributes.get_or_insert_default::<Wishes>().retry = Some(self.retry);
        });
        self.inner.call(request)
    }
}
