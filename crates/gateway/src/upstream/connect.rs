//! Upstream client: from an origin to an open byte stream.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::uri::Scheme;
use portcullis_core::upstream::AddressCheck;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::{Instant, error::Elapsed, timeout},
};
use tokio_rustls::client::TlsStream;

use super::{BoxError, ClientError, ErrorKind, pool::Origin, tls::Tls};

const NO_ADDRESS: &str = "the name has no address";

/// Opens connections: looks the name up, tries its addresses in turn, shakes hands.
#[derive(Debug)]
pub(super) struct Connector {
    tls: Tls,
}

impl Connector {
    pub(super) fn new(tls: Tls) -> Self {
        Self { tls }
    }

    pub(super) async fn connect(
        &self,
        origin: &Origin,
        limit: Duration,
    ) -> Result<Stream, ClientError> {
        let late = |elapsed: Elapsed| late(elapsed.into());
        timeout(limit, self.dial(origin, limit))
            .await
            .map_err(late)?
    }

    async fn dial(&self, origin: &Origin, limit: Duration) -> Result<Stream, ClientError> {
        let start = Instant::now();
        let https = *origin.scheme() == Scheme::HTTPS;
        let host = origin.authority().host().trim_matches(['[', ']']);
        let port = origin
            .authority()
            .port_u16()
            .unwrap_or(if https { 443 } else { 80 });
        let addresses = allowed(resolve(host, port).await?, origin.check())?;
        let tcp = reach(&addresses, start, limit).await?;
        // Failing to switch off Nagle's algorithm only costs time.
        let _ = tcp.set_nodelay(true);
        if !https {
            return Ok(Stream::Plain(tcp));
        }
        let tls = self.tls.handshake(tcp, host, origin.version()).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ClientError> {
    let unknown = |source: BoxError| ClientError::unsent(ErrorKind::Dns, source);
    let found = lookup_host((host, port))
        .await
        .map_err(|error| unknown(error.into()))?;
    Ok(found.collect())
}

/// What of `found` may be dialled.
fn allowed(
    mut found: Vec<SocketAddr>,
    check: Option<&AddressCheck>,
) -> Result<Vec<SocketAddr>, ClientError> {
    let Some(check) = check else {
        return Ok(found);
    };
    let mut refused = None;
    found.retain(|address| {
        check
            .check(*address)
            .map_err(|why| refused = Some(why))
            .is_ok()
    });
    match refused {
        Some(why) if found.is_empty() => Err(ClientError::unsent(
            ErrorKind::AddressRefused,
            BoxError::from(why),
        )),
        _ => Ok(found),
    }
}

/// The first address that accepts. Each may take an equal share of what is left of `limit`, so that
/// one which never answers leaves time for the next.
async fn reach(
    addresses: &[SocketAddr],
    start: Instant,
    limit: Duration,
) -> Result<TcpStream, ClientError> {
    let mut last = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = limit.saturating_sub(start.elapsed()) / left;
        last = Some(match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => ClientError::unsent(ErrorKind::Connect, BoxError::from(error)),
            Err(elapsed) => late(elapsed.into()),
        });
    }
    Err(last.unwrap_or_else(|| ClientError::unsent(ErrorKind::Dns, BoxError::from(NO_ADDRESS))))
}

fn late(source: BoxError) -> ClientError {
    ClientError::unsent(ErrorKind::ConnectTimeout, source)
}

/// A connected byte stream.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Does the same with either kind of stream.
macro_rules! either {
    ($stream:expr, $inner:ident => $do:expr) => {
        match $stream.get_mut() {
            Stream::Plain(stream) => {
                let $inner = Pin::new(stream);
                $do
            }
            Stream::Tls(stream) => {
                let $inner = Pin::new(stream.as_mut());
                $do
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
