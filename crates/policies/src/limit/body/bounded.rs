//! A body that fails where it passes its bound.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use portcullis_core::assemble::PolicyKind;
use portcullis_core::body::Body;
use portcullis_core::context::{self, Decision};
use portcullis_core::error::{Error, codes};

use super::BodyLimitPolicy;
use crate::note;

/// The bound of one body, and whether it was passed: what body and reply know of each other.
#[derive(Clone, Debug)]
pub(super) struct Bound(Arc<State>);

#[derive(Debug)]
struct State {
    max: u64,
    crossed: AtomicBool,
    record: Option<context::Context>,
}

impl Bound {
    pub(super) fn new(max: u64, record: Option<context::Context>) -> Self {
        Self(Arc::new(State {
            max,
            crossed: AtomicBool::new(false),
            record,
        }))
    }

    /// The refusal, once the body has passed its bound.
    pub(super) fn refusal(&self) -> Option<Error> {
        let crossed = self.0.crossed.load(Ordering::Acquire);
        crossed.then(|| too_large(self.0.max))
    }

    fn cross(&self) -> Error {
        self.0.crossed.store(true, Ordering::Release);
        if let Some(context) = &self.0.record {
            note(context, BodyLimitPolicy::NAME, Decision::Refused);
        }
        too_large(self.0.max)
    }
}

pub(super) fn too_large(max: u64) -> Error {
    let what = format!("the request body is larger than the {max} bytes allowed here");
    Error::new(&codes::BODY_TOO_LARGE, what)
}

/// Counts a body down from its bound.
pub(super) struct Bounded {
    inner: Body,
    left: u64,
    bound: Bound,
}

impl Bounded {
    pub(super) fn new(inner: Body, bound: Bound) -> Self {
        let left = bound.0.max;
        Self { inner, left, bound }
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = &polled else {
            return polled;
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                polled
            }
            None => {
                self.inner = Body::empty();
                Poll::Ready(Some(Err(self.bound.cross())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
