//! Word of it to the engine.

use std::task::{Context, Poll};

use portcullis_core::attempt::{Hedge, Wishes};
use portcullis_core::context::HasContext;
use tower_service::Service;

/// A service whose calls ask for second attempts beside slow ones of their own. Made by [`HedgeLayer`](super::HedgeLayer).
#[derive(Clone, Copy, Debug)]
pub struct Hedging<S> {
    inner: S,
    hedge: Hedge,
}

impl<S> Hedging<S> {
    pub(super) fn new(inner: S, hedge: Hedge) -> Self {
        Self { inner, hedge }
    }
}

impl<S, R> Service<R> for Hedging<S>
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
            attributes.get_or_insert_default::<Wishes>().hedge = Some(self.hedge);
        });
        self.inner.call(request)
    }
}
