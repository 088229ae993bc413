//! A body as blocks of whole events, before anybody has looked at what they say.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use crate::body::Body;
use crate::error::{Error, codes};
use crate::wire::sse::TooLarge;
use crate::wire::{Block, Split, SplitError};

/// The blocks of a streamed body. What is incomplete when the body ends comes as it is; a fault comes after
/// everything before it.
pub struct Blocks<S> {
    body: Body,
    split: S,
    ended: bool,
    /// What the stream fails with once everything before it has gone out.
    failed: Option<Error>,
}

impl<S: Split> Blocks<S> {
    /// The blocks of `body`, cut by `split`.
    pub fn new(body: Body, split: S) -> Self {
        Self {
            body,
            split,
            ended: false,
            failed: None,
        }
    }

    /// The next block; `None` when the body has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Block, Error>>> {
        while !self.ended {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            if let Some(block) = self.take(frame) {
                return Poll::Ready(Some(Ok(block)));
            }
        }
        self.body = Body::empty();
        Poll::Ready(self.failed.take().map(Err))
    }

    /// The frames that are complete now; the last ones when the body has ended.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, Error>>) -> Option<Block> {
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().ok()?,
            Some(Err(e)) => {
                self.failed = Some(e);
                return self.finish();
            }
            None => return self.finish(),
        };
        self.split.push(data).unwrap_or_else(|mut e| {
            let before = e.take_before();
            self.failed = Some(match &e {
                SplitError::TooLarge(TooLarge { max, .. }) => {
                    let what =
                        format!("an event of the upstream's stream is larger than {max} bytes");
                    Error::new(&codes::UPSTREAM_TOO_LARGE, what)
                }
                SplitError::Broken { .. } => {
                    Error::new(&codes::UPSTREAM_BROKEN, codes::UPSTREAM_BROKEN.about).because(e)
                }
            });
            self.ended = true;
            before
        })
    }

    fn finish(&mut self) -> Option<Block> {
        self.ended = true;
        self.split.finish()
    }
}

impl<S> fmt::Debug for Blocks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocks")
    }
}
