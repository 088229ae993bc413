//! The edits of the request.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{self, Decision};
use portcullis_core::error::Error;
use tower_service::Service;

use super::{HeaderEdits, HeaderModifiersPolicy, ResponseFuture};
use crate::note;

/// A service whose requests and replies have their headers edited. Made by
/// [`HeaderModifiersLayer`](super::HeaderModifiersLayer); clones share the edits.
#[derive(Clone, Debug)]
pub struct HeaderModifiers<S> {
    inner: S,
    request: Option<Arc<HeaderEdits>>,
    response: Option<Arc<HeaderEdits>>,
}

impl<S> HeaderModifiers<S> {
    pub(super) fn new(
        inner: S,
        request: Option<Arc<HeaderEdits>>,
        response: Option<Arc<HeaderEdits>>,
    ) -> Self {
        Self {
            inner,
            request,
            response,
        }
    }
}

impl<S, B, R> Service<Request<B>> for HeaderModifiers<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Error>,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(context) = request.extensions().get::<context::Context>() {
            note(context, HeaderModifiersPolicy::NAME, Decision::Changed);
        }
        if let Some(edits) = &self.request {
            edits.apply(request.headers_mut());
        }
        ResponseFuture::new(self.inner.call(request), self.response.clone())
    }
}
