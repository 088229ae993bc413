//! The first stretch of the line: a client's socket: the version of HTTP its first bytes tell, and its reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::stream::{Stream, Transport};
use crate::joined::{Room, join};
use crate::rewound::Rewound;

/// The 24 bytes an HTTP/2 client begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version a client speaks, told from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.0 or 1.1.
    H1,
    /// HTTP/2 by prior knowledge.
    H2,
}

/// Reads until the version is known: for HTTP/1 that is the first read, nearly always the whole head.
/// `seen` had been read before. `None` when the client left before that.
pub(super) async fn sniff(stream: &Stream, seen: Bytes) -> io::Result<Option<(Version, Bytes)>> {
    let mut seen = Vec::from(seen);
    loop {
        if !seen.is_empty()
            && let Some(version) = version(&seen)
        {
            return Ok(Some((version, seen.into())));
        }
        stream.readable().await?;
        let mut buffer = [0; 2048];
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(n) => seen.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads some of what is missing until `seen` has `needed` bytes, and nothing beyond.
///
/// # Errors
///
/// When the client left, too.
pub(super) async fn read_to(stream: &Stream, seen: &mut BytesMut, needed: usize) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let mut buffer = [0; 512];
        let most = needed.saturating_sub(seen.len()).min(buffer.len());
        match stream.try_read(&mut buffer[..most]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                seen.extend_from_slice(&buffer[..n]);
                return Ok(());
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}

fn version(seen: &[u8]) -> Option<Version> {
    let known = seen.len().min(PREFACE.len());
    if seen[..known] != PREFACE[..known] {
        Some(Version::H1)
    } else {
        (known == PREFACE.len()).then_some(Version::H2)
    }
}

/// A client's socket, whose reads are noted.
///
/// Where `half_closes`, its end is kept back while a call is answered: the client may have closed its own side
/// alone, and wait for the rest.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) socket: Rewound<Transport>,
    pub(super) activity: Arc<Activity>,
    pub(super) half_closes: bool,
    /// Whether the end was read.
    pub(super) ended: bool,
}

impl Watched {
    /// Whether the end is not to be seen yet.
    fn keeps_end_back(&self) -> bool {
        self.half_closes && self.activity.answers()
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if self.ended && written.is_ready() {
            self.activity.mark();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended && self.keeps_end_back() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        self.activity.read();
        if buf.filled().len() == before && buf.remaining() > 0 && self.keeps_end_back() {
            self.ended = true;
            self.activity.half_close();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.wrote(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut room = Room::new();
        let written = if join(bufs, &mut room) {
            Pin::new(&mut self.socket).poll_write(cx, &room)
        } else {
            Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
        };
        self.wrote(&written);
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_known_at_the_first_byte_that_differs() {
        assert_eq!(version(b""), None);
        assert_eq!(version(b"P"), None);
        assert_eq!(version(b"PO"), Some(Version::H1));
        assert_eq!(version(b"GET / HTTP/1.1\r\n"), Some(Version::H1));
        for split in 0..PREFACE.len() {
            assert_eq!(version(&PREFACE[..split]), None);
        }
        assert_eq!(
            version(&[PREFACE, b"and a frame"].concat()),
            Some(Version::H2)
        );
    }
}
