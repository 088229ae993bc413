//! How a body ends: the one place where records, permits and reservations are settled.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::{Body, Inner};
use crate::context::Outcome;
use crate::error::{Code, Error};

/// How a body, or a stream of events, came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was read to its last frame.
    Completed,
    /// Reading it failed, with an error of this code.
    Failed(&'static Code),
    /// It was dropped before its end: whoever read it left.
    Left,
}

/// The end of a body: how, and how many bytes of data had passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How it ended.
    pub how: Ended,
    /// Bytes of data that passed until then.
    pub bytes: u64,
}

impl From<Ended> for Outcome {
    fn from(how: Ended) -> Self {
        match how {
            Ended::Completed => Self::Completed,
            Ended::Failed(code) => Self::Failed(code),
            Ended::Left => Self::ClientLeft,
        }
    }
}

impl Body {
    /// Calls `f` exactly once when the body has ended, after what feeds it was dropped: by its last frame,
    /// by an error, or because the returned body was dropped.
    pub fn on_end(self, f: impl FnOnce(End) + Send + 'static) -> Self {
        let on_end = OnEnd {
            inner: self,
            bytes: 0,
            f: Some(f),
        };
        Self(Inner::Stream(Box::pin(on_end)))
    }
}

struct OnEnd<F: FnOnce(End)> {
    inner: Body,
    bytes: u64,
    f: Option<F>,
}

impl<F: FnOnce(End)> OnEnd<F> {
    fn end(&mut self, how: Ended) {
        if let Some(f) = self.f.take() {
            self.inner = Body::empty();
            f(End {
                how,
                bytes: self.bytes,
            });
        }
    }
}

// The closure is never pinned and never handed out.
impl<F: FnOnce(End)> Unpin for OnEnd<F> {}

impl<F: FnOnce(End) + Send> http_body::Body for OnEnd<F> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |d| d.len() as u64);
            }
            Poll::Ready(Some(Err(e))) => {
                let code = e.code();
                self.end(Ended::Failed(code));
            }
            Poll::Ready(None) => self.end(Ended::Completed),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<F: FnOnce(End)> Drop for OnEnd<F> {
    fn drop(&mut self) {
        // A server that knows the length stops reading at the last byte, without asking for the end.
        let how = if self.inner.is_end_stream() {
            Ended::Completed
        } else {
            Ended::Left
        };
        self.end(how);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::error::codes;

    struct Feed(
        mpsc::Sender<&'static str>,
        Option<Result<Frame<Bytes>, Error>>,
    );

    impl http_body::Body for Feed {
        type Data = Bytes;
        type Error = Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(self.1.take())
        }
    }

    impl Drop for Feed {
        fn drop(&mut self) {
            self.0.send("dropped").unwrap();
        }
    }

    fn watched(
        first: Result<Frame<Bytes>, Error>,
    ) -> (Body, mpsc::Receiver<&'static str>, mpsc::Receiver<End>) {
        let (order, seen) = mpsc::channel();
        let (send, ends) = mpsc::channel();
        let order2 = order.clone();
        let body = Body::new(Feed(order, Some(first))).on_end(move |end| {
            order2.send("told").unwrap();
            send.send(end).unwrap();
        });
        (body, seen, ends)
    }

    #[tokio::test]
    async fn completed_after_the_inner_body_is_gone() {
        let (body, order, ends) = watched(Ok(Frame::data(Bytes::from_static(b"abc"))));
        assert_eq!(body.collect(10).await.unwrap(), "abc");
        assert_eq!(order.iter().collect::<Vec<_>>(), ["dropped", "told"]);
        assert_eq!(
            ends.iter().collect::<Vec<_>>(),
            [End {
                how: Ended::Completed,
                bytes: 3
            }]
        );
    }

    #[tokio::test]
    async fn failed_with_the_code_of_the_error() {
        let (body, order, ends) = watched(Err(Error::new(&codes::BODY_BROKEN, "cut")));
        body.collect(10).await.unwrap_err();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["dropped", "told"]);
        let how = ends.iter().next().unwrap().how;
        assert_eq!(how, Ended::Failed(&codes::BODY_BROKEN));
    }

    #[test]
    fn left_when_dropped_unread() {
        let (body, order, ends) = watched(Ok(Frame::data(Bytes::from_static(b"abc"))));
        drop(body);
        assert_eq!(order.iter().collect::<Vec<_>>(), ["dropped", "told"]);
        assert_eq!(
            ends.iter().next().unwrap(),
            End {
                how: Ended::Left,
                bytes: 0
            }
        );
    }
}
