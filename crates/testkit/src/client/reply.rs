//! Replies, whole or as they come.

use std::{error::Error, io};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::client::Connection;

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, unframed.
    pub body: Bytes,
}

impl Reply {
    /// The first value of a header; `None` if absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Null` if it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, with replacement characters where it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A reply whose body is still coming. Dropping it leaves: the connection, if it is this call's
/// own, is closed at once; a shared HTTP/1 connection is closed too, a shared HTTP/2 connection only
/// resets the stream.
#[derive(Debug)]
pub struct Streaming {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    connection: Option<Connection>,
}

impl Streaming {
    pub(super) fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            connection: None,
        }
    }

    pub(super) fn own(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// The next chunk, as it was framed; `None` behind the last.
    ///
    /// # Errors
    ///
    /// When the connection breaks before the body's proper end.
    pub async fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(io_error)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Reads the rest.
    ///
    /// # Errors
    ///
    /// As [`Streaming::next_chunk`].
    pub async fn collect(mut self) -> io::Result<Reply> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            status: self.status,
            headers: std::mem::take(&mut self.headers),
            body: body.freeze(),
        })
    }

    /// Reads until the body's end or until the connection breaks; whether the end was proper.
    pub async fn drain(mut self) -> (Bytes, bool) {
        let mut body = BytesMut::new();
        loop {
            match self.next_chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return (body.freeze(), true),
                Err(_) => return (body.freeze(), false),
            }
        }
    }

    /// Leaves now. The same as dropping it, said aloud.
    pub fn hang_up(self) {}
}

/// The socket's own error where there is one, so that a reset can be told from an early end.
fn io_error(error: hyper::Error) -> io::Error {
    let io = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        Some(io) => io::Error::new(io.kind(), error),
        None => io::Error::other(error),
    }
}
