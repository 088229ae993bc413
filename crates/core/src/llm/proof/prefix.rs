//! A stream some of which was read ahead.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Error;
use crate::llm::{Batch, EventStream};

/// These batches, then `rest`.
pub(super) fn before(ahead: Vec<Batch>, rest: EventStream) -> EventStream {
    EventStream::new(Prefixed {
        ahead: ahead.into_iter(),
        rest,
    })
}

struct Prefixed {
    ahead: std::vec::IntoIter<Batch>,
    rest: EventStream,
}

impl Stream for Prefixed {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.ahead.next() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None => Pin::new(&mut self.rest).poll_next(cx),
        }
    }
}
