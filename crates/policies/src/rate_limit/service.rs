//! The limits of each call.

use std::task::{Context, Poll};

use http::Request;
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{Decision, HasContext};
use portcullis_core::error::Error;
use portcullis_core::expr::Facts;
use portcullis_core::llm::{LlmRequest, LlmResponse};
use portcullis_core::protocol::Reply;
use tower_service::Service;

use super::{RateLimitLayer, RateLimitPolicy};
use crate::ledger::{Family, Limited};
use crate::note;

/// A service whose calls keep to limits. Made by [`RateLimitLayer`](super::RateLimitLayer).
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    limits: RateLimitLayer,
}

impl<S> RateLimit<S> {
    pub(super) fn new(inner: S, limits: RateLimitLayer) -> Self {
        Self { inner, limits }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>, Response = http::Response<R>>,
    S::Error: Into<Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Limited<S::Future, S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = request.context().clone();
        let family = Family::of(request.headers());
        let facts = Facts::of_request(&request, &context);
        match self.limits.0.admit(&context, &facts, None, family) {
            Ok(admitted) => {
                note(&context, RateLimitPolicy::NAME, Decision::Allowed);
                let headers = admitted.headers(family);
                // A request is one request, however it ends.
                let finish = |reply, pending| {
                    drop(pending);
                    reply
                };
                Limited::admitted(self.inner.call(request), admitted.pending, headers, finish)
            }
            Err(refusal) => {
                note(&context, RateLimitPolicy::NAME, Decision::Refused);
                Limited::refused(refusal)
            }
        }
    }
}

impl<S> Service<LlmRequest> for RateLimit<S>
where
    S: Service<LlmRequest, Response = LlmResponse>,
    S::Error: Into<Error>,
{
    type Response = LlmResponse;
    type Error = Error;
    type Future = Limited<S::Future, LlmResponse>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        let family = Family::of(&request.head.headers);
        let facts = Facts::of_call(&request);
        match self
            .limits
            .0
            .admit(&request.context, &facts, Some(&request), family)
        {
            Ok(admitted) => {
                note(&request.context, RateLimitPolicy::NAME, Decision::Allowed);
                let headers = admitted.headers(family);
                let finish = |reply: LlmResponse, pending: crate::ledger::Pending| {
                    if pending.waits() {
                        return reply.on_end(move |_| drop(pending));
                    }
                    reply
                };
                Limited::admitted(self.inner.call(request), admitted.pending, headers, finish)
            }
            Err(refusal) => {
                note(&request.context, RateLimitPolicy::NAME, Decision::Refused);
                Limited::refused(refusal)
            }
        }
    }
}
