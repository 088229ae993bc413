//! The one body type of requests and replies, on every stretch of the line.
//!
//! A [`Body`] is either bytes already at hand or a boxed stream of frames. It is `Send` but need not be
//! `Sync`; dropping it drops whatever feeds it, which cancels an upstream reply.

mod collect;
mod on_end;
mod unpack;

use std::any::{Any, TypeId};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::error::{BoxError, Error, codes};

pub use on_end::{End, Ended};
pub use unpack::{MaxUnpacked, Unpack};

/// A request or reply body: bytes at hand, or a stream of frames.
///
/// # Examples
///
/// ```
/// use portcullis_core::body::Body;
///
/// # async fn example() -> Result<(), portcullis_core::error::Error> {
/// let body = Body::from("hello");
/// assert_eq!(body.collect(1024).await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Stream(Frames<Error>),
}

type Frames<E> = Pin<Box<dyn http_body::Body<Data = Bytes, Error = E> + Send>>;

impl Body {
    /// A body that ends at once.
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// Takes any body of bytes. An error of `body` that is not already an [`Error`] becomes one with the
    /// code `body_broken`. What is a [`Body`] already is returned as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        if let Some(own) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_default();
        }
        let inner = body.expect("only a body of our own is taken out above");
        if TypeId::of::<B::Error>() != TypeId::of::<Error>() {
            return Self(Inner::Stream(Box::pin(MapError { inner })));
        }
        // Its errors are as they should be: no layer to pass through for every frame.
        let mut boxed: Option<Frames<B::Error>> = Some(Box::pin(inner));
        let own = (&mut boxed as &mut dyn Any).downcast_mut::<Option<Frames<Error>>>();
        own.and_then(Option::take)
            .map_or_else(Self::empty, |frames| Self(Inner::Stream(frames)))
    }

    /// The bytes, when the whole body is at hand without waiting; `None` for a stream.
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Full(bytes) => Some(bytes.clone()),
            Inner::Stream(_) => None,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() {
            Inner::Empty
        } else {
            Inner::Full(bytes)
        })
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(stream) => stream.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body(empty)"),
            Inner::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("Body(stream)"),
        }
    }
}

pin_project_lite::pin_project! {
    struct MapError<B> {
        #[pin]
        inner: B,
    }
}

impl<B> http_body::Body for MapError<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let wrap = |e: B::Error| Error::from_boxed(e.into(), &codes::BODY_BROKEN);
        self.project().inner.poll_frame(cx).map_err(wrap)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_our_own_is_not_wrapped_again() {
        let body = Body::new(Body::from("at hand"));
        assert_eq!(body.bytes().unwrap(), "at hand");
    }
}
