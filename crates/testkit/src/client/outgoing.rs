//! Request bodies.

use std::{convert::Infallible, io};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody, channel, combinators::UnsyncBoxBody};

pub(super) type OutgoingBody = UnsyncBoxBody<Bytes, Infallible>;

/// A request's body: bytes with a length, a list of chunks, or an open [`Upload`].
#[derive(Debug)]
pub struct Outgoing(OutgoingBody);

impl Outgoing {
    /// No body.
    pub fn empty() -> Self {
        Self(Empty::new().boxed_unsync())
    }

    /// A body that is written while the request runs. One chunk is buffered.
    pub fn upload() -> (Upload, Self) {
        let (sender, body) = channel::Channel::new(1);
        (Upload(sender), Self(body.boxed_unsync()))
    }

    pub(super) fn into_body(self) -> OutgoingBody {
        self.0
    }
}

impl From<Bytes> for Outgoing {
    fn from(body: Bytes) -> Self {
        Self(Full::new(body).boxed_unsync())
    }
}

impl From<&'static str> for Outgoing {
    fn from(body: &'static str) -> Self {
        Bytes::from(body).into()
    }
}

impl From<&'static [u8]> for Outgoing {
    fn from(body: &'static [u8]) -> Self {
        Bytes::from(body).into()
    }
}

impl From<String> for Outgoing {
    fn from(body: String) -> Self {
        Bytes::from(body).into()
    }
}

impl From<Vec<u8>> for Outgoing {
    fn from(body: Vec<u8>) -> Self {
        Bytes::from(body).into()
    }
}

/// Chunks, sent without a length.
impl From<Vec<Bytes>> for Outgoing {
    fn from(chunks: Vec<Bytes>) -> Self {
        let frames = chunks.into_iter().map(|chunk| Ok(Frame::data(chunk)));
        Self(StreamBody::new(stream::iter(frames)).boxed_unsync())
    }
}

/// The writing end of a body. Dropping it ends the body.
#[derive(Debug)]
pub struct Upload(channel::Sender<Bytes>);

impl Upload {
    /// Writes a chunk.
    ///
    /// # Errors
    ///
    /// When the request is over.
    pub async fn write(&mut self, chunk: impl Into<Bytes>) -> io::Result<()> {
        self.0
            .send_data(chunk.into())
            .await
            .map_err(io::Error::other)
    }
}
