//! The reply of the service behind, or the refusal.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use portcullis_core::error::Error;

use super::bounded::Bound;

pin_project! {
    /// The reply to a request with a bounded body. Made by [`BodyLimit`](super::BodyLimit).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Called { #[pin] inner: F, bound: Option<Bound> },
        Refused { error: Option<Error> },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn within(inner: F) -> Self {
        let state = State::Called { inner, bound: None };
        Self { state }
    }

    pub(super) fn counted(inner: F, bound: Bound) -> Self {
        let bound = Some(bound);
        let state = State::Called { inner, bound };
        Self { state }
    }

    pub(super) fn refused(error: Error) -> Self {
        let state = State::Refused { error: Some(error) };
        Self { state }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Error>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Called { inner, bound } => {
                let answer = ready!(inner.poll(cx));
                match bound.as_ref().and_then(Bound::refusal) {
                    Some(refusal) => Err(refusal),
                    None => answer.map_err(Into::into),
                }
            }
            StateProj::Refused { error } => {
                Err(error.take().expect("a future is not polled after its end"))
            }
        })
    }
}
