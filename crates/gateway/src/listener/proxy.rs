//! The first stretch of the line: who the client is behind a proxy that says so.

use std::io;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use portcullis_core::config::{Address, ConfigError, ProxyProtocolMode};

use super::proxy_protocol::{Malformed, Origin, Parsed, parse};
use super::stream::Stream;
use super::{ListenerConfig, io as sockets};
use crate::network::Network;

/// The proxies a listener believes.
#[derive(Debug)]
pub(super) struct Proxies {
    required: bool,
    /// None believes whoever connects, as on a unix socket.
    trusted: Option<Box<[Network]>>,
}

/// What a proxy said, and what had been read behind it.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) origin: Option<Origin>,
    pub(super) before: Bytes,
}

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    #[error("the source of the connection is not trusted to send a PROXY header")]
    Untrusted,
    #[error("there is no PROXY header")]
    Missing,
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the connection broke in its PROXY header")]
    Broken(#[from] io::Error),
}

impl Proxies {
    /// Reads what a listener says of proxies, if it does.
    pub(super) fn new(config: &ListenerConfig) -> Result<Option<Self>, ConfigError> {
        let Some(wanted) = &config.proxy_protocol else {
            return Ok(None);
        };
        let at = config.at.key("proxyProtocol").key("trustedSources");
        let unix = matches!(config.address, Address::Unix(_));
        if unix != wanted.trusted_sources.is_empty() {
            let (what, hint) = if unix {
                let what = "who connects to a unix socket has no address";
                (
                    what,
                    "leave the list out; `socketMode` says who may connect",
                )
            } else {
                let what = "nobody is trusted, and whoever sends the header can be anybody";
                (what, "list the proxies, as in `[10.0.0.0/8]`")
            };
            return Err(ConfigError::new(at, what).hint(hint));
        }
        let mut trusted = Vec::with_capacity(wanted.trusted_sources.len());
        for (index, text) in wanted.trusted_sources.iter().enumerate() {
            let trust = Network::parse(text).map_err(|what| {
                ConfigError::new(at.index(index), what)
                    .hint("write it as `10.0.0.0/8` or `192.0.2.7`")
            });
            trusted.push(trust?);
        }
        Ok(Some(Self {
            required: wanted.mode == ProxyProtocolMode::Required,
            trusted: (!unix).then(|| trusted.into()),
        }))
    }

    fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        let Some(trusted) = &self.trusted else {
            return true;
        };
        peer.is_some_and(|peer| trusted.iter().any(|range| range.contains(peer.ip())))
    }

    /// Reads the header a connection from `peer` begins with.
    pub(super) async fn read(
        &self,
        stream: &Stream,
        peer: Option<SocketAddr>,
    ) -> Result<Said, ProxyError> {
        if !self.trusts(peer) {
            return match self.required {
                true => Err(ProxyError::Untrusted),
                false => Ok(Said::default()),
            };
        }
        let mut seen = BytesMut::new();
        loop {
            match parse(&seen)? {
                Parsed::Header { length, origin } => {
                    let _header = seen.split_to(length);
                    return Ok(Said {
                        origin: Some(origin),
                        before: seen.freeze(),
                    });
                }
                Parsed::Absent if self.required => return Err(ProxyError::Missing),
                Parsed::Absent => {
                    return Ok(Said {
                        origin: None,
                        before: seen.freeze(),
                    });
                }
                Parsed::Incomplete(needed) => sockets::read_to(stream, &mut seen, needed).await?,
            }
        }
    }
}
