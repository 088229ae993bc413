//! The check of each call against the rules.

use std::task::{Context, Poll};

use http::Request;
use portcullis_core::context::HasContext;
use portcullis_core::error::Error;
use portcullis_core::expr::Facts;
use portcullis_core::llm::{LlmRequest, LlmResponse};
use tower_service::Service;

use super::AuthorizationLayer;
use crate::admission::Admission;

/// A service for calls that rules let pass. Made by [`AuthorizationLayer`](super::AuthorizationLayer).
#[derive(Clone, Debug)]
pub struct Authorization<S> {
    inner: S,
    rules: AuthorizationLayer,
}

impl<S> Authorization<S> {
    pub(super) fn new(inner: S, rules: AuthorizationLayer) -> Self {
        Self { inner, rules }
    }
}

impl<S, B, R> Service<Request<B>> for Authorization<S>
where
    S: Service<Request<B>, Response = http::Response<R>>,
    S::Error: Into<Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = request.context().clone();
        let facts = Facts::of_request(&request, &context);
        match self.rules.admit(&context, &facts) {
            Ok(()) => Admission::admitted(self.inner.call(request)),
            Err(refusal) => Admission::refused(refusal),
        }
    }
}

impl<S> Service<LlmRequest> for Authorization<S>
where
    S: Service<LlmRequest, Response = LlmResponse>,
    S::Error: Into<Error>,
{
    type Response = LlmResponse;
    type Error = Error;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        match self
            .rules
            .admit(&request.context, &Facts::of_call(&request))
        {
            Ok(()) => Admission::admitted(self.inner.call(request)),
            Err(refusal) => Admission::refused(refusal),
        }
    }
}
