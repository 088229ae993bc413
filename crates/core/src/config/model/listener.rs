//! Before the request line: where clients come in, as data.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Address, ListenerLimits, ListenerTls, Pointer, PolicyEntry};

/// An address the gateway accepts connections at.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Listener {
    /// Its name, unique in the project.
    pub name: String,
    /// IP address and port, or a unix socket. Listeners of one project may have the same address if their
    /// `hostname` differs; they are then all with `tls` or all without, and alike in `limits`,
    /// `proxyProtocol`, `reusePort`, `backlog` and `socketMode`.
    pub address: Address,
    /// The host it is for, exact or with one leading `*.` label; by default every host. Over TLS the name a
    /// client asks for picks the listener, and a request for another listener's host is answered 421; in
    /// clear text the request's host picks it, and one that belongs to no listener is answered 404.
    #[serde(default)]
    pub hostname: Option<String>,
    /// Encryption; by default connections are in clear text.
    #[serde(default)]
    pub tls: Option<ListenerTls>,
    /// Answers every request with a redirect instead of routing it.
    #[serde(default)]
    pub redirect: Option<ListenerRedirect>,
    /// The header by which a proxy in front tells who the client is; by default none is expected.
    #[serde(default)]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What happens to every request that comes in here.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// Bounds on connections, heads and bodies.
    #[serde(default)]
    pub limits: ListenerLimits,
    /// Whether other processes may listen at the same address and port (`SO_REUSEPORT`): the system spreads
    /// connections over them.
    #[serde(default)]
    pub reuse_port: bool,
    /// Connections the system may hold that have not been accepted yet, by default 1024.
    #[serde(default = "backlog")]
    pub backlog: u32,
    /// Who may connect to a unix socket, as octal permission bits in a string; by default `0660`.
    #[serde(default)]
    pub socket_mode: Option<String>,
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
    pub fn new(name: impl Into<String>, address: impl Into<Address>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            hostname: None,
            tls: None,
            redirect: None,
            proxy_protocol: None,
            policies: Vec::new(),
            limits: ListenerLimits::default(),
            reuse_port: false,
            backlog: backlog(),
            socket_mode: None,
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

fn backlog() -> u32 {
    1024
}

/// Where every request of a listener is sent: to the same host, path and query.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListenerRedirect {
    /// The scheme, by default `https`.
    pub scheme: RedirectScheme,
    /// The port; by default the scheme's own.
    pub port: Option<u16>,
    /// 301, 302, 307 or 308. By default 308: it is remembered, and a POST stays a POST.
    #[schemars(extend("enum" = [301, 302, 307, 308]))]
    pub status_code: u16,
}

impl Default for ListenerRedirect {
    fn default() -> Self {
        Self {
            scheme: RedirectScheme::default(),
            port: None,
            status_code: 308,
        }
    }
}

/// The scheme of a redirect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RedirectScheme {
    /// Encrypted.
    #[default]
    Https,
    /// In clear text.
    Http,
}

/// The PROXY protocol, versions 1 and 2: a proxy in front begins each connection with a header that tells
/// the client's address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProxyProtocol {
    /// What happens to a connection without the header, by default `required`.
    #[serde(default)]
    pub mode: ProxyProtocolMode,
    /// The proxies believed, as addresses or ranges like `10.0.0.0/8`. Others are refused where the header
    /// is `required`, and served without a look at it where it is `optional`. On a unix socket, whoever may
    /// connect is believed, and the list stays empty.
    #[serde(default)]
    pub trusted_sources: Vec<String>,
}

impl ProxyProtocol {
    /// Believes proxies at these addresses or ranges.
    #[must_use]
    pub const fn new(mode: ProxyProtocolMode, trusted_sources: Vec<String>) -> Self {
        Self {
            mode,
            trusted_sources,
        }
    }
}

/// What happens to a connection without a PROXY header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ProxyProtocolMode {
    /// It is closed.
    #[default]
    Required,
    /// It is served, and its client is whoever connected.
    Optional,
}
