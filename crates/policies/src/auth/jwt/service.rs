//! The check of each call's token.

use std::mem;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::BoxFuture;
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{Decision, HasContext};
use portcullis_core::error::Error;
use tower_service::Service;

use super::{JwtAuthentication, JwtLayer};
use crate::note;

/// A service for callers with a token. Made by [`JwtLayer`](super::JwtLayer).
#[derive(Clone, Debug)]
pub struct JwtAuth<S> {
    inner: S,
    accepted: JwtLayer,
}

impl<S> JwtAuth<S> {
    pub(super) fn new(inner: S, accepted: JwtLayer) -> Self {
        Self { inner, accepted }
    }
}

impl<S, B, R> Service<Request<B>> for JwtAuth<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<Error>,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<R>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let rest = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, rest);
        let accepted = self.accepted.clone();
        let context = request.context().clone();
        let token = accepted.token(request.headers());
        Box::pin(async move {
            let admitted = match token {
                Ok(token) => accepted.admit(token.as_deref()).await,
                Err(refusal) => Err(refusal),
            };
            let decision = match admitted {
                Ok(_) => Decision::Allowed,
                Err(_) => Decision::Refused,
            };
            note(&context, JwtAuthentication::NAME, decision);
            if let Some(principal) = admitted? {
                context.set_principal(principal);
            }
            inner.call(request).await.map_err(Into::into)
        })
    }
}
