//! Upstream client: why an exchange failed, and whether the upstream may have seen the request.

use std::{error::Error, fmt, io};

use super::{BoxError, request::RequestBodyError};

/// A failed exchange. [`Display`](fmt::Display) tells the kind; the cause is in
/// [`source`](Error::source).
#[derive(Debug)]
pub struct ClientError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    sent: bool,
    source: Option<BoxError>,
}

/// What went wrong in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be sent: no absolute `http` or `https` URI, user info in it, or headers
    /// that contradict each other.
    Request,
    /// The host name was not found, or looking it up failed.
    Dns,
    /// The request's [`AddressCheck`](portcullis_core::upstream::AddressCheck) passes no address of the host.
    AddressRefused,
    /// As many connections to the origin are open as may be, and none came free in time.
    Busy,
    /// No address of the host accepted a connection.
    Connect,
    /// The proxy could not be reached, or would not open a tunnel.
    Proxy,
    /// The TLS handshake failed, the upstream does not speak the protocol asked for, or it does not accept
    /// the certificate of the client.
    Tls,
    /// Connecting took longer than [`Timeouts::connect`](super::Timeouts::connect).
    ConnectTimeout,
    /// No response head within [`Timeouts::first_byte`](super::Timeouts::first_byte).
    FirstByteTimeout,
    /// No part of the body within [`Timeouts::idle`](super::Timeouts::idle).
    IdleTimeout,
    /// The upstream reset the connection or the stream.
    Reset,
    /// The upstream closed the connection before the response was complete.
    Closed,
    /// What the upstream sent is not a valid response.
    Protocol,
    /// The request body ended with an error, which is the source.
    Body,
    /// The upstream is spoken to in HTTP/2 and does not take upgrades there (RFC 8441).
    Upgrade,
}

impl ErrorKind {
    fn phrase(self) -> &'static str {
        match self {
            Self::Request => "request cannot be sent",
            Self::Dns => "host name lookup failed",
            Self::AddressRefused => "no address of the host may be called",
            Self::Busy => "no connection to the upstream came free",
            Self::Connect => "upstream refused the connection or is unreachable",
            Self::Proxy => "the proxy opened no way to the upstream",
            Self::Tls => "tls handshake with the upstream failed",
            Self::ConnectTimeout => "timed out connecting to the upstream",
            Self::FirstByteTimeout => "timed out waiting for the response head",
            Self::IdleTimeout => "timed out waiting for more of the response body",
            Self::Reset => "upstream reset the connection",
            Self::Closed => "upstream closed the connection early",
            Self::Protocol => "upstream sent an invalid response",
            Self::Body => "request body failed",
            Self::Upgrade => "the upstream takes no upgrade over http/2",
        }
    }
}

impl ClientError {
    /// An error from before anything was sent.
    pub(super) fn unsent(kind: ErrorKind, source: impl Into<Option<BoxError>>) -> Self {
        Self(Box::new(Inner {
            kind,
            sent: false,
            source: source.into(),
        }))
    }

    /// An error from after the connection had accepted the request.
    pub(super) fn sent(kind: ErrorKind, source: impl Into<Option<BoxError>>) -> Self {
        Self(Box::new(Inner {
            kind,
            sent: true,
            source: source.into(),
        }))
    }

    /// What hyper reports about a connection. `sent`: the request was accepted by the connection.
    pub(super) fn connection(error: hyper::Error, sent: bool) -> Self {
        let kind = classify(&error).unwrap_or(ErrorKind::Closed);
        Self(Box::new(Inner {
            kind,
            sent,
            source: Some(error.into()),
        }))
    }

    /// What hyper reports about an HTTP/2 stream whose connection had accepted the request.
    pub(super) fn stream(error: hyper::Error) -> Self {
        let kind = classify(&error).unwrap_or(ErrorKind::Reset);
        Self::sent(kind, BoxError::from(error))
    }

    /// A broken HTTP/1 response body. hyper tells the body less than the connection, whose own end, if it
    /// had one, is `connection`.
    pub(super) fn body(error: hyper::Error, connection: Option<hyper::Error>) -> Self {
        match (classify(&error), connection) {
            (None, Some(cause)) => Self::connection(cause, true),
            _ => Self::connection(error, true),
        }
    }

    /// The same, but on the way to a proxy.
    pub(super) fn at_proxy(mut self) -> Self {
        self.0.kind = ErrorKind::Proxy;
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the request, or a part of it, may have reached the upstream. `false` is certain: the
    /// request can be sent again without being processed twice.
    pub fn is_sent(&self) -> bool {
        self.0.sent
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.phrase())
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// The kind of a hyper error; `None` when it only says that the connection failed.
fn classify(error: &hyper::Error) -> Option<ErrorKind> {
    if error.is_parse() {
        return Some(ErrorKind::Protocol);
    }
    if error.is_incomplete_message() {
        return Some(ErrorKind::Closed);
    }
    let mut next = error.source();
    if error.is_user() && next.is_none() {
        return Some(ErrorKind::Request);
    }
    while let Some(cause) = next {
        if cause.is::<RequestBodyError>() {
            return Some(ErrorKind::Body);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(if is_refusal(io) {
                ErrorKind::Tls
            } else {
                classify_io(io.kind())
            });
        }
        next = cause.source();
    }
    None
}

/// Whether the upstream found fault with what was shown to it of ours, which in TLS 1.3 it says only after
/// the handshake.
fn is_refusal(error: &io::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let Some(rustls::Error::AlertReceived(alert)) = cause else {
        return false;
    };
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

fn classify_io(kind: io::ErrorKind) -> ErrorKind {
    use io::ErrorKind as Io;
    match kind {
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe => ErrorKind::Reset,
        Io::InvalidData | Io::InvalidInput => ErrorKind::Protocol,
        _ => ErrorKind::Closed,
    }
}
