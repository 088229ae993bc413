//! Backend: the body of a streamed answer, made piece by piece as it is read.

use std::convert::Infallible;
use std::iter::Peekable;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};

/// The pieces of a stream: each one or more whole events.
pub(super) type Pieces = Box<dyn Iterator<Item = Bytes> + Send>;

/// Pieces with a pause between any two. Without a pause it touches no timer.
pub(super) struct Paced {
    pieces: Peekable<Pieces>,
    delay: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(super) fn new(pieces: Pieces, delay: Duration) -> Self {
        Self {
            pieces: pieces.peekable(),
            delay,
            pause: None,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let piece = self.pieces.next();
        if !self.delay.is_zero() && self.pieces.peek().is_some() {
            self.pause = Some(Box::pin(sleep(self.delay)));
        }
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
