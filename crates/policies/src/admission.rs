//! The future of policies that admit a call or refuse it: the reply of the service behind, or the refusal.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use portcullis_core::error::Error;

pin_project! {
    /// The reply to a call that was admitted, or its refusal.
    #[derive(Debug)]
    pub struct Admission<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Admitted { #[pin] inner: F },
        Refused { error: Option<Error> },
    }
}

impl<F> Admission<F> {
    pub(crate) fn admitted(inner: F) -> Self {
        let state = State::Admitted { inner };
        Self { state }
    }

    pub(crate) fn refused(error: Error) -> Self {
        let state = State::Refused { error: Some(error) };
        Self { state }
    }
}

impl<F, T, E> Future for Admission<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Error>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProj::Admitted { inner } => ready!(inner.poll(cx)).map_err(Into::into),
            StateProj::Refused { error } => {
                Err(error.take().expect("a future is not polled after its end"))
            }
        })
    }
}
