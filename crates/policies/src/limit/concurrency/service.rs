//! A place for each call.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use portcullis_core::assemble::PolicyKind;
use portcullis_core::body::Body;
use portcullis_core::context::{self, Decision, HasContext};
use portcullis_core::error::Error;
use portcullis_core::expr::Facts;
use portcullis_core::llm::{LlmRequest, LlmResponse};
use portcullis_core::protocol::Reply;
use tower_service::Service;

use super::ConcurrencyPolicy;
use crate::ledger::{Family, Limited, Limits, Pending};
use crate::note;

/// A service of which so many calls can be in flight. Made by
/// [`ConcurrencyLayer`](super::ConcurrencyLayer).
#[derive(Clone, Debug)]
pub struct Concurrency<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S> Concurrency<S> {
    pub(super) fn new(inner: S, limits: Arc<Limits>) -> Self {
        Self { inner, limits }
    }

    fn enter(&self, context: &context::Context, facts: &Facts<'_>) -> Result<Pending, Error> {
        let entered = self.limits.admit(context, facts, None, Family::OpenAi);
        let decision = match entered {
            Ok(_) => Decision::Allowed,
            Err(_) => Decision::Refused,
        };
        note(context, ConcurrencyPolicy::NAME, decision);
        entered.map(|admitted| admitted.pending)
    }
}

impl<S, B> Service<Request<B>> for Concurrency<S>
where
    S: Service<Request<B>, Response = http::Response<Body>>,
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
        match self.enter(&context, &Facts::of_request(&request, &context)) {
            Ok(place) => {
                let reply = self.inner.call(request);
                Limited::admitted(reply, place, Vec::new(), until_its_end)
            }
            Err(refusal) => Limited::refused(refusal),
        }
    }
}

impl<S> Service<LlmRequest> for Concurrency<S>
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
        match self.enter(&request.context, &Facts::of_call(&request)) {
            Ok(place) => {
                let reply = self.inner.call(request);
                Limited::admitted(reply, place, Vec::new(), until_its_end)
            }
            Err(refusal) => Limited::refused(refusal),
        }
    }
}

fn until_its_end<R: Reply>(reply: R, place: Pending) -> R {
    reply.on_end(move |_| drop(place))
}
