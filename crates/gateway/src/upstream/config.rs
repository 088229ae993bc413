//! Upstream client: its settings, and the ones a single request may bring along.

use std::time::Duration;

use portcullis_core::upstream::Transport;
use rustls::pki_types::CertificateDer;

/// Settings of a [`Client`](super::Client). The defaults are meant to be run.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The protocol spoken, unless a request carries an [`HttpVersion`] extension. Default: HTTP/1.1.
    pub version: HttpVersion,
    /// How long to wait for what, unless a request carries a [`Timeouts`] extension.
    pub timeouts: Timeouts,
    /// Idle HTTP/1 connections kept per origin; one more is closed instead. 0 switches reuse off.
    /// Default: 256.
    pub idle_per_origin: usize,
    /// How long a connection may stay unused before it is closed. Default: 90 s, below the idle
    /// time after which common servers and NAT gateways forget a connection. What an origin has above 32
    /// idle connections is closed after 5 s.
    pub idle_timeout: Duration,
    /// The longest response head accepted, in bytes; also the longest trailer section. A longer one
    /// is a protocol error. (The number of header fields is limited to 100.) Default: 64 KiB.
    pub max_head_bytes: usize,
    /// Trust the certificate authorities of the operating system. They are read from disk at the
    /// first `https` request. Default: true.
    pub system_roots: bool,
    /// Certificate authorities to trust besides those of the system. Default: none.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// How upstreams are reached by requests without a [`Transport`] of their own; made by
    /// [`Transports::make`](super::Transports::make). With one, its version and its pool count, not those
    /// here. Default: directly.
    pub transport: Option<Transport>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            version: HttpVersion::Http1,
            timeouts: Timeouts::default(),
            idle_per_origin: 256,
            idle_timeout: Duration::from_secs(90),
            max_head_bytes: 64 * 1024,
            system_roots: true,
            extra_roots: Vec::new(),
            transport: None,
        }
    }
}

/// The protocol to speak with an upstream.
///
/// As a request extension it overrides [`ClientConfig::version`] for that request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1: one exchange at a time per connection.
    #[default]
    Http1,
    /// HTTP/2: over TLS by ALPN, in clear text with prior knowledge. Never negotiated down.
    Http2,
    /// HTTP/2 if the upstream agrees to it by ALPN, else HTTP/1.1. In clear text: HTTP/1.1.
    Auto,
}

/// How long an exchange may wait, step by step.
///
/// As a request extension it replaces [`ClientConfig::timeouts`] for that request.
/// `Duration::MAX` means without limit. There is no limit on the whole exchange here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a new connection: the wait for one where their number is bounded, name lookup, TCP, proxy and
    /// TLS together. Default: 10 s.
    pub connect: Duration,
    /// From the moment the last part of the request was handed to the connection until the head of
    /// the response. A request body that stalls is cut off after the same time. Default: 10 minutes,
    /// because a model that does not stream answers only when it is done.
    pub first_byte: Duration,
    /// Between two parts of the response body, counted only while somebody waits for the next one.
    /// Default: 5 minutes.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(300),
        }
    }
}
