//! The first stretch of the line: from an accepted socket to one HTTP can be spoken over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::Scheme;
use rustls::server::Acceptor;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::ConnectionInfo;
use super::io::Version;
use super::proxy::{ProxyError, Said};
use super::proxy_protocol::Origin;
use super::sites::{Seat, Sites};
use super::stream::{Stream, Transport};
use super::tls::{TlsInfo, Unreadable};
use crate::rewound::Rewound;

/// A connection of which the first request is awaited.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) transport: Transport,
    /// What had been read already.
    pub(super) before: Bytes,
    /// The version of HTTP, where the handshake settled it.
    pub(super) version: Option<Version>,
    pub(super) seat: Seat,
    pub(super) info: ConnectionInfo,
}

/// Why a connection ended before its first request.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArrivalError {
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("the header of the proxy took too long")]
    ProxyTimeout,
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the TLS handshake took too long")]
    HandshakeTimeout,
    #[error(transparent)]
    Client(#[from] Unreadable),
}

/// Where a socket was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Option<SocketAddr>,
    pub(super) local: Option<SocketAddr>,
    /// The name of a listener at that address.
    pub(super) listener: Arc<str>,
}

/// Reads what comes before HTTP: the header of a proxy, and the TLS handshake.
pub(super) async fn arrive(sites: &Sites, accepted: Accepted) -> Result<Arrived, ArrivalError> {
    let Accepted {
        stream,
        peer,
        local,
        listener,
    } = accepted;
    let said = introduce(sites, &stream, peer).await?;
    let mut info = ConnectionInfo::new(peer, local, listener);
    match said.origin {
        Some(Origin::Client(client, reached)) => {
            (info.peer, info.local) = (Some(client), Some(reached));
            info.proxy = peer;
        }
        Some(Origin::Elsewhere) => {
            info.peer = None;
            info.proxy = peer;
        }
        Some(Origin::Proxy) | None => {}
    }
    let plain = Arrived {
        transport: Transport::Plain(stream),
        before: said.before,
        version: None,
        seat: Seat::default(),
        info,
    };
    if sites.is_encrypted() {
        let limit = sites.limits.handshake_timeout.get();
        // In a box, or else every connection in clear text would have room for a handshake.
        let handshake = Box::pin(plain.encrypt(sites));
        let done = tokio::time::timeout(limit, handshake).await;
        return done.map_err(|_| ArrivalError::HandshakeTimeout)?;
    }
    Ok(plain)
}

async fn introduce(
    sites: &Sites,
    stream: &Stream,
    peer: Option<SocketAddr>,
) -> Result<Said, ArrivalError> {
    let Some(proxies) = &sites.proxies else {
        return Ok(Said::default());
    };
    let limit = sites.limits.header_read_timeout.get();
    let said = tokio::time::timeout(limit, proxies.read(stream, peer)).await;
    Ok(said.map_err(|_| ArrivalError::ProxyTimeout)??)
}

impl Arrived {
    /// Shakes hands with the client. The name it asks for picks the listener.
    async fn encrypt(mut self, sites: &Sites) -> Result<Self, ArrivalError> {
        let Transport::Plain(stream) = self.transport else {
            return Ok(self);
        };
        let before = std::mem::take(&mut self.before);
        let io = Rewound::new(before, stream);
        let (tls, seat) = handshake(sites, io)
            .await
            .map_err(ArrivalError::Handshake)?;
        let (_, connection) = tls.get_ref();
        let info = TlsInfo::of(connection)?;
        self.version = Some(match connection.alpn_protocol() {
            Some(b"h2") => Version::H2,
            _ => Version::H1,
        });
        self.info.tls = Some(Arc::new(info));
        self.info.scheme = Scheme::HTTPS;
        self.seat = seat;
        self.transport = Transport::Tls(Box::new(tls));
        Ok(self)
    }
}

async fn handshake(
    sites: &Sites,
    io: Rewound<Stream>,
) -> io::Result<(TlsStream<Rewound<Stream>>, Seat)> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
    // Only who has said hello takes a permit: silence keeps nobody waiting.
    let permit = sites.handshakes.acquire().await;
    let _permit = permit.map_err(io::Error::other)?;
    let name = hello
        .client_hello()
        .server_name()
        .map(str::to_ascii_lowercase);
    let unknown = || io::Error::other("no listener encrypts here");
    let (config, seat) = sites.handshake(name.as_deref()).ok_or_else(unknown)?;
    Ok((hello.into_stream(config).await?, seat))
}
