//! Upstream client: the ways to reach an origin, made of what configuration wants.

use std::{
    env, fmt,
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_core::{
    config::{self, ConfigError, Pointer},
    upstream::{AddressCheck, Transport},
};

use super::{
    HttpVersion,
    proxy::Proxies,
    resolve::Resolver,
    tls::{SystemRoots, Tls},
};

/// The longest path a unix socket can have.
const MOST_UNIX_PATH: usize = 107;
/// HTTP/2 connections to one origin where nothing else is wanted.
const HTTP2_CONNECTIONS: usize = 100;
const MOST_WAITING: usize = 1024;

/// How an origin is reached.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) version: HttpVersion,
    /// TLS; none: that of the client.
    pub(super) tls: Option<Tls>,
    pub(super) via: Via,
    /// Name lookup; none: that of the client.
    pub(super) resolver: Option<Resolver>,
    pub(super) limits: Limits,
    wanted: config::Transport,
}

/// What stands between here and an origin.
#[derive(Debug)]
pub(super) enum Via {
    Nothing,
    Unix(PathBuf),
    Proxies(Proxies),
}

/// Bounds on the connections to one origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) lifetime: Option<Duration>,
    pub(super) connections: Option<usize>,
    pub(super) waiting: usize,
}

/// Makes [`Transport`]s for [`Client`](super::Client)s.
///
/// Clones share what they have made: equal configuration gives the same transport for as long as somebody
/// holds it, so that connections survive a configuration read anew. The certificate authorities of the
/// system are read once for all, at the first `https` request.
#[derive(Clone, Debug, Default)]
pub struct Transports(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    roots: SystemRoots,
    made: Mutex<Vec<Weak<Way>>>,
}

impl Transports {
    /// Nothing made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The transport for what is wanted; for the extensions of requests. Opens and looks up nothing.
    ///
    /// # Errors
    ///
    /// When what is wanted makes no sense. Places are relative to `wanted`.
    pub fn make(&self, wanted: &config::Transport) -> Result<Transport, ConfigError> {
        let mut made = self.0.made.lock();
        made.retain(|way| way.strong_count() > 0);
        let mut alive = made.iter().filter_map(Weak::upgrade);
        if let Some(same) = alive.find(|way| way.wanted == *wanted) {
            return Ok(Transport::new(same));
        }
        let way = Arc::new(Way::wanted(wanted, &self.0.roots)?);
        for at in wanted.unverified() {
            tracing::warn!(
                at = at.as_str(),
                "an upstream's certificate is not verified"
            );
        }
        made.push(Arc::downgrade(&way));
        Ok(Transport::new(way))
    }

    pub(super) fn roots(&self) -> &SystemRoots {
        &self.0.roots
    }
}

impl Way {
    fn wanted(wanted: &config::Transport, roots: &SystemRoots) -> Result<Self, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        let tls = wanted.tls.as_ref().map(|tls| Tls::wanted(tls, roots));
        let dns = wanted.dns.as_ref().map(Resolver::dns);
        Ok(Self {
            version: HttpVersion::from(wanted.http),
            tls: tls.transpose().map_err(|e| e.under(&at("tls")))?,
            via: Via::wanted(wanted, roots)?,
            resolver: dns.transpose().map_err(|e| e.under(&at("dns")))?,
            limits: Limits::wanted(&wanted.pool).map_err(|e| e.under(&at("pool")))?,
            wanted: wanted.clone(),
        })
    }
}

impl Via {
    fn wanted(wanted: &config::Transport, roots: &SystemRoots) -> Result<Self, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        match (&wanted.unix, &wanted.proxy) {
            (None, None) => Ok(Self::Nothing),
            (None, Some(proxy)) => Proxies::wanted(proxy, roots, |name| env::var(name).ok())
                .map(Self::Proxies)
                .map_err(|e| e.under(&at("proxy"))),
            (Some(path), None) => match path.as_os_str().len() {
                1..=MOST_UNIX_PATH => Ok(Self::Unix(path.clone())),
                _ => Err(ConfigError::new(
                    at("unix"),
                    "a socket's path has 1 to 107 bytes",
                )),
            },
            (Some(_), Some(_)) => Err(ConfigError::new(
                at("proxy"),
                "no proxy leads to a unix socket",
            )
            .on_key()
            .other(at("unix"))),
        }
    }
}

impl Limits {
    /// For requests that bring no transport.
    pub(super) fn plain(idle: usize, idle_timeout: Duration) -> Self {
        Self {
            idle,
            idle_timeout,
            lifetime: None,
            connections: None,
            waiting: MOST_WAITING,
        }
    }

    fn wanted(wanted: &config::TransportPool) -> Result<Self, ConfigError> {
        if wanted.max_connections == Some(0) {
            let at = Pointer::root().key("maxConnections");
            return Err(ConfigError::new(
                at,
                "without a connection there are no calls",
            ));
        }
        Ok(Self {
            idle: wanted.max_idle,
            idle_timeout: wanted.idle_timeout.get(),
            lifetime: wanted.max_lifetime.map(config::Duration::get),
            connections: wanted.max_connections,
            waiting: wanted.max_waiting,
        })
    }

    /// How many connections there may be, if that is bounded.
    pub(super) fn room(&self, version: HttpVersion) -> Option<usize> {
        match version {
            HttpVersion::Http1 => self.connections,
            HttpVersion::Http2 | HttpVersion::Auto => {
                Some(self.connections.unwrap_or(HTTP2_CONNECTIONS))
            }
        }
    }
}

impl From<config::HttpVersion> for HttpVersion {
    fn from(wanted: config::HttpVersion) -> Self {
        match wanted {
            config::HttpVersion::Http1 => Self::Http1,
            config::HttpVersion::Http2 => Self::Http2,
            config::HttpVersion::Auto => Self::Auto,
        }
    }
}

/// What besides its origin decides which connections a request may use: two requests must have the very
/// same way and the very same check.
#[derive(Clone, Default)]
pub(super) struct Terms {
    pub(super) way: Option<Arc<Way>>,
    pub(super) check: Option<AddressCheck>,
}

impl Terms {
    fn identity(&self) -> (usize, usize) {
        let way = self.way.as_ref().map_or(0, |way| Arc::as_ptr(way).addr());
        (way, self.check.as_ref().map_or(0, AddressCheck::identity))
    }
}

impl PartialEq for Terms {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Terms {}

impl Hash for Terms {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("way", &self.way.is_some())
            .field("check", &self.check.is_some())
            .finish()
    }
}
