//! Before the request line: where clients come in, as data.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{ByteSize, Duration, Pointer, PolicyEntry};

/// An address the gateway accepts connections at.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Listener {
    /// Its name, unique in the project.
    pub name: String,
    /// IP address and port; port 0 takes any free one.
    pub address: SocketAddr,
    /// What happens to every request that comes in here.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// Bounds on connections and heads.
    #[serde(default)]
    pub limits: ListenerLimits,
    /// Whether routes of other projects may attach to it.
    #[serde(default)]
    pub export: bool,
    /// Where it stands.
    #[serde(skip)]
    #[schemars(skip)]
    pub at: Pointer,
}

impl Listener {
    /// A listener with default limits that stands nowhere in particular.
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            policies: Vec::new(),
            limits: ListenerLimits::default(),
            export: false,
            at: Pointer::root(),
        }
    }

    /// Whether it says the same as `other`, wherever the two stand.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let nowhere = |listener: &Self| {
            let mut listener = listener.clone();
            listener.place(&Pointer::root());
            listener
        };
        nowhere(self) == nowhere(other)
    }

    pub(crate) fn place(&mut self, at: &Pointer) {
        self.at = at.clone();
        PolicyEntry::place(&mut self.policies, at);
    }
}

/// What a listener bounds before any policy runs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListenerLimits {
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// Size of a request's head; a larger one is answered 431.
    pub max_header_bytes: ByteSize,
    /// Header fields of a request; more are answered 431.
    pub max_headers: usize,
    /// How long a head may take to arrive, counted from its first byte or the connection's start.
    pub header_read_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_header_bytes: ByteSize::kib(64),
            max_headers: 100,
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            max_concurrent_streams: 200,
        }
    }
}
