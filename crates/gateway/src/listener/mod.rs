//! The first stretch of the line: sockets, connections, and the heads of requests.
//!
//! A [`Listener`] accepts TCP connections and speaks HTTP/1.1 and, to clients that begin with its preface,
//! HTTP/2 in clear text, on one port. Each connection is a task of its own: a panic in one call ends that
//! connection and no other. What a service is handed is an [`http::Request`] with the gateway's body and a
//! [`ConnectionInfo`] among its extensions.

mod accept;
mod activity;
mod arrival;
mod check;
mod codes;
mod config;
mod connection;
mod front;
mod handle;
mod io;
mod presence;
mod proxy;
#[doc(hidden)]
pub mod proxy_protocol;
mod redirect;
mod request_body;
mod shutdown;
mod sites;
mod socket;
mod stream;
mod tls;
mod tunnels;
#[cfg(unix)]
mod unix;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::io::Error as IoError;
use std::sync::Arc;

use portcullis_core::body::Body;
use portcullis_core::config::{Address, ConfigError};
use portcullis_core::error::Error;
use portcullis_core::respond::{Problem, Render};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tower_service::Service;

pub(crate) use accept::CLOSING;
#[cfg(feature = "providers")]
pub(crate) use check::answers;
pub use check::{check, check_shared};
pub use codes::{
    BODY_TIMEOUT, CODES, HOST_INVALID, HOST_UNKNOWN, MISDIRECTED, TOO_MANY_HEADERS,
    TRANSFER_ENCODING_REFUSED,
};
pub use config::ListenerConfig;
pub use front::ConnectionInfo;
pub use handle::ListenerHandle;
pub use shutdown::Shutdown;
pub use tls::{ClientIdentity, NotAfter, SubjectAltName, TlsInfo};
pub use tunnels::Tunnels;

use handle::Shared;
use presence::CountersOf;
use sites::Sites;
use socket::{Binding, Owner, Socket};

/// What a listener counts. Clones share the counts; those of a listener without metrics go nowhere.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConnectionCounters {
    /// Connections open now.
    pub open: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Times the listener stopped accepting because `max_connections` were open.
    pub full: Counter,
    /// Failures to accept that were not the client's doing, as when file descriptors run out.
    pub failed: Counter,
    /// Connections cut because they were still busy when the grace of a shutdown ended.
    pub cut: Counter,
    /// Connections closed before their first request: the TLS handshake failed, or the header of a proxy.
    pub refused: Counter,
    /// Connections ended for what the client sent as HTTP and is none. HTTP/1 clients were told 400 or 431.
    pub malformed: Counter,
    /// When the listener's certificates end.
    pub not_after: NotAfter,
}

/// How the connections open at a shutdown ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that ended by themselves, their last call answered whole.
    pub finished: usize,
    /// Connections cut at the deadline.
    pub cut: usize,
}

/// A bound socket, not yet accepting. Dropping it frees the address, and removes the file of a unix socket.
pub struct Listener {
    socket: Socket,
    local: Address,
    shared: Arc<Shared>,
    counters: CountersOf,
    replies: Replies,
}

/// What a listener answers itself, instead of handing a request on: a redirect, or an error.
pub type OwnReply = Result<http::Response<Body>, Error>;

/// How that is written.
#[derive(Clone)]
struct Replies(Arc<dyn Fn(http::Request<Body>, OwnReply) -> http::Response<Body> + Send + Sync>);

impl Replies {
    fn write(&self, request: http::Request<Body>, own: OwnReply) -> http::Response<Body> {
        (self.0)(request, own)
    }
}

impl Default for Replies {
    fn default() -> Self {
        Self(Arc::new(|_, own| {
            own.unwrap_or_else(|error| Problem.whole(&error))
        }))
    }
}

impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replies")
    }
}

impl Listener {
    /// Binds the address. Connections may arrive from here on; they wait until [`serve`](Self::serve).
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, with the kind of the system's error. The message names listener
    /// and address; the system's own words are the `source`. When the settings cannot be, with the kind
    /// `InvalidInput` and a [`ConfigError`] as the source.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O enabled.
    pub async fn bind(config: ListenerConfig) -> std::io::Result<Self> {
        Self::bind_shared(&[config]).await
    }

    /// Binds the address several listeners share, which are for different hosts. The [`ConnectionInfo`] of a
    /// request tells which of them it is for.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O enabled.
    #[expect(
        clippy::unused_async,
        reason = "binding may have to wait, and callers should not change for it"
    )]
    pub async fn bind_shared(sharing: &[ListenerConfig]) -> std::io::Result<Self> {
        let sites = Sites::new(sharing, None).map_err(invalid)?;
        let first = &sharing[0];
        let socket = Socket::bind(Binding {
            address: &first.address,
            reuse_port: first.reuse_port,
            backlog: first.backlog,
            mode: check::mode(first).map_err(invalid)?,
        });
        let bound = socket.and_then(|socket| Self::over(first, sites, socket));
        bound.map_err(|source| BindError::of(first, source))
    }

    /// Lets `write` see what the listener answers itself, such as 421, and write it. The request has its
    /// [`ConnectionInfo`] and no body. By default errors are RFC 9457 problem details.
    #[must_use]
    pub fn with_replies(
        mut self,
        write: impl Fn(http::Request<Body>, OwnReply) -> http::Response<Body> + Send + Sync + 'static,
    ) -> Self {
        self.replies = Replies(Arc::new(write));
        self
    }

    /// Changes the listener while it serves.
    pub fn handle(&self) -> ListenerHandle {
        ListenerHandle(self.shared.clone())
    }

    /// Takes over a socket that is bound already, as a supervisor hands one over. Who waits in its queue is served.
    ///
    /// # Errors
    ///
    /// When it is no socket that can accept, or the settings cannot be.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O enabled.
    pub fn from_socket(
        sharing: &[ListenerConfig],
        socket: std::net::TcpListener,
    ) -> std::io::Result<Self> {
        Self::over_socket(sharing, Socket::of(socket, Owner::Shared)?)
    }

    /// Takes over the socket of a listener that [lets go](ListenerHandle::release) of it.
    pub(crate) fn after(
        sharing: &[ListenerConfig],
        socket: std::net::TcpListener,
    ) -> std::io::Result<Self> {
        Self::over_socket(sharing, Socket::of(socket, Owner::Alone)?)
    }

    fn over_socket(sharing: &[ListenerConfig], socket: Socket) -> std::io::Result<Self> {
        let sites = Sites::new(sharing, None).map_err(invalid)?;
        Self::over(&sharing[0], sites, socket)
    }

    fn over(first: &ListenerConfig, sites: Sites, socket: Socket) -> std::io::Result<Self> {
        Ok(Self {
            local: socket.local_addr()?,
            shared: Arc::new(Shared::new(sites, first.address.clone(), socket.lent())),
            socket,
            counters: CountersOf::new(|_| ConnectionCounters::default()),
            replies: Replies::default(),
        })
    }

    /// Counts connections here, whichever listener they are for.
    #[must_use]
    pub fn with_counters(self, counters: ConnectionCounters) -> Self {
        self.with_counters_of(move |_| counters.clone())
    }

    /// Counts connections under the name of their listener. What cannot be told apart, such as how often the
    /// socket was full or a handshake failed, counts under the first of those that share the address.
    #[must_use]
    pub fn with_counters_of(
        mut self,
        of: impl Fn(&Arc<str>) -> ConnectionCounters + Send + Sync + 'static,
    ) -> Self {
        self.counters = CountersOf::new(of);
        self
    }

    /// The address bound, with the port the system chose when port 0 was asked for.
    pub fn local_addr(&self) -> &Address {
        &self.local
    }

    /// Accepts connections and serves them, until `shutdown` begins and every connection has ended or its
    /// deadline has come. Then no task of this listener is left.
    ///
    /// Every request gets a clone of `service`, driven to readiness first. At `max_connections` accepting
    /// pauses; further clients wait in the system's queue. When the shutdown begins, who waits there is let in,
    /// and the port is closed. Busy connections finish the call under way (HTTP/2: every call begun) and then
    /// end; idle ones end a second later, or with one more call that was on its way. What is still busy at the
    /// deadline is cut, which drops its calls.
    ///
    /// Dropping the future cuts every connection at once.
    pub async fn serve<S>(self, service: S, shutdown: Shutdown) -> Drained
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        accept::serve(self, service, shutdown).await
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

fn invalid(error: ConfigError) -> IoError {
    IoError::new(std::io::ErrorKind::InvalidInput, error)
}

#[derive(Debug, thiserror::Error)]
#[error("listener `{name}` cannot bind {address}")]
struct BindError {
    name: Arc<str>,
    address: Address,
    source: IoError,
}

impl BindError {
    fn of(config: &ListenerConfig, source: IoError) -> IoError {
        let (name, address) = (config.name.clone(), config.address.clone());
        IoError::new(
            source.kind(),
            Self {
                name,
                address,
                source,
            },
        )
    }
}
