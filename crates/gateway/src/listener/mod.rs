//! The first stretch of the line: sockets, connections, and the heads of requests.
//!
//! A [`Listener`] accepts TCP connections and speaks HTTP/1.1 and, to clients that begin with its preface,
//! HTTP/2 in clear text, on one port. Each connection is a task of its own: a panic in one call ends that
//! connection and no other. What a service is handed is an [`http::Request`] with the gateway's body and a
//! [`ConnectionInfo`] among its extensions.

mod accept;
mod activity;
mod codes;
mod connection;
mod front;
mod io;
mod shutdown;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_core::body::Body;
use portcullis_core::config::{self, ListenerLimits};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tower_service::Service;

pub use codes::{CODES, HOST_INVALID, TOO_MANY_HEADERS, TRANSFER_ENCODING_REFUSED};
pub use front::ConnectionInfo;
pub use shutdown::Shutdown;

/// Where a listener accepts connections, and what it bounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// The name its connections carry, and its metrics.
    pub name: Arc<str>,
    /// IP address and port; port 0 takes any free one.
    pub address: SocketAddr,
    /// Bounds on connections and heads. The defaults are fit for production.
    pub limits: ListenerLimits,
}

impl ListenerConfig {
    /// A listener of this name at this address, with default limits.
    pub fn new(name: impl Into<Arc<str>>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            limits: ListenerLimits::default(),
        }
    }
}

impl From<&config::Listener> for ListenerConfig {
    fn from(listener: &config::Listener) -> Self {
        Self {
            name: listener.name.as_str().into(),
            address: listener.address,
            limits: listener.limits.clone(),
        }
    }
}

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

/// A bound socket, not yet accepting. Dropping it frees the address.
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    config: ListenerConfig,
    counters: ConnectionCounters,
}

impl Listener {
    /// Binds the address. Connections may arrive from here on; they wait until [`serve`](Self::serve).
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, with the kind of the system's error. The message names listener
    /// and address; the system's own words are the `source`.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O enabled.
    pub async fn bind(config: ListenerConfig) -> std::io::Result<Self> {
        let bound = TcpListener::bind(config.address).await;
        let bound = bound.and_then(|socket| Ok((socket.local_addr()?, socket)));
        match bound {
            Ok((local, socket)) => Ok(Self {
                socket,
                local,
                config,
                counters: ConnectionCounters::default(),
            }),
            Err(source) => Err(std::io::Error::new(
                source.kind(),
                BindError { config, source },
            )),
        }
    }

    /// Counts connections here.
    #[must_use]
    pub fn with_counters(mut self, counters: ConnectionCounters) -> Self {
        self.counters = counters;
        self
    }

    /// The address bound, with the port the system chose when port 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepts connections and serves them, until `shutdown` begins and every connection has ended or its
    /// deadline has come. Then no task of this listener is left.
    ///
    /// Every request gets a clone of `service`, driven to readiness first. At `max_connections` accepting
    /// pauses; further clients wait in the system's queue. When the shutdown begins the port is closed, idle
    /// connections end, busy ones finish the call under way (HTTP/2: every call begun) and then end; what is
    /// still busy at the deadline is cut, which drops its calls.
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
            .field("name", &self.config.name)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct BindError {
    config: ListenerConfig,
    source: std::io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ListenerConfig { name, address, .. } = &self.config;
        write!(f, "listener `{name}` cannot bind {address}")
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
