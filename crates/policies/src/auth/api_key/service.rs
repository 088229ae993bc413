//! The check of each call's key.

use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{Decision, HasContext};
use portcullis_core::error::Error;
use tower_service::Service;

use super::{ApiKeyAuthentication, ApiKeyLayer};
use crate::admission::Admission;
use crate::note;

/// A service for callers with an API key. Made by [`ApiKeyLayer`](super::ApiKeyLayer).
#[derive(Clone, Debug)]
pub struct ApiKeyAuth<S> {
    inner: S,
    accepted: ApiKeyLayer,
}

impl<S> ApiKeyAuth<S> {
    pub(super) fn new(inner: S, accepted: ApiKeyLayer) -> Self {
        Self { inner, accepted }
    }
}

impl<S, B, R> Service<Request<B>> for ApiKeyAuth<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Error>,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let admitted = self.accepted.admit(request.headers());
        let context = request.context();
        match admitted {
            Ok(bearer) => {
                if let Some(bearer) = bearer {
                    context.set_principal(bearer.clone());
                }
                note(context, ApiKeyAuthentication::NAME, Decision::Allowed);
                Admission::admitted(self.inner.call(request))
            }
            Err(refusal) => {
                note(context, ApiKeyAuthentication::NAME, Decision::Refused);
                Admission::refused(refusal)
            }
        }
    }
}
