//! The server's end of one TCP connection: reads are tapped, flushes counted, and a reply may
//! break it on purpose.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

use crate::plan::Break;

/// What the connection, its requests and their replies share.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pub(crate) number: u64,
    flushes: AtomicU64,
    flushed: Notify,
    broken: Mutex<Option<Break>>,
    breaking: Notify,
    returned: Mutex<Option<TcpStream>>,
    tap: Mutex<Tap>,
}

/// Bytes read since the last request's body ended; `None` while a body is being read.
#[derive(Debug)]
struct Tap(Option<Vec<u8>>);

impl Default for Tap {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Line {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Takes the raw head of the request just parsed, its final blank line included, and stops
    /// tapping until [`Line::resume`].
    pub(crate) fn claim_head(&self) -> Option<Bytes> {
        let read = lock(&self.tap).0.take()?;
        let end = memchr::memmem::find(&read, b"\r\n\r\n")? + 4;
        let mut read = Bytes::from(read);
        read.truncate(end);
        Some(read)
    }

    /// Taps again: the next bytes read are the next request's head.
    pub(crate) fn resume(&self) {
        lock(&self.tap).0 = Some(Vec::new());
    }

    /// Waits until everything given to the connection before this call has been written.
    pub(crate) async fn flush(&self) {
        let before = self.flushes.load(Ordering::Acquire);
        loop {
            let flushed = self.flushed.notified();
            if self.flushes.load(Ordering::Acquire) > before {
                return;
            }
            flushed.await;
        }
    }

    /// Breaks the connection, then waits for ever: the caller dies with it.
    pub(crate) async fn break_off(&self, how: Break) {
        *lock(&self.broken) = Some(how);
        self.breaking.notify_one();
        std::future::pending::<()>().await;
    }

    /// Resolves when a reply asks for the connection to be broken.
    pub(crate) async fn breaking(&self) {
        self.breaking.notified().await;
    }

    /// Does what [`Line::break_off`] asked for; the [`Wire`] must have been dropped.
    pub(crate) async fn finish(&self) -> io::Result<()> {
        let (stream, how) = (lock(&self.returned).take(), lock(&self.broken).take());
        let (Some(mut stream), Some(how)) = (stream, how) else {
            return Ok(());
        };
        match how {
            Break::Fin => stream.shutdown().await,
            Break::Reset => stream.set_zero_linger(),
            Break::Garbage => {
                stream
                    .write_all(b"\x16\x03\x01 this is not HTTP\0\xff\r\n\r\n")
                    .await?;
                stream.shutdown().await
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket as hyper sees it. Dropping it hands the socket back to the [`Line`].
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Option<TcpStream>,
    line: Arc<Line>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self {
            stream: Some(stream),
            line,
        }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(
            self.stream
                .as_mut()
                .expect("the socket is given up only on drop"),
        )
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        *lock(&self.line.returned) = self.stream.take();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.stream().poll_read(cx, buf))?;
        if let Some(read) = &mut lock(&self.line.tap).0 {
            read.extend_from_slice(&buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream().poll_flush(cx))?;
        self.line.flushes.fetch_add(1, Ordering::AcqRel);
        self.line.flushed.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
