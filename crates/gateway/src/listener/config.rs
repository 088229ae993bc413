//! Before the first stretch of the line: how a listener is set up.

use std::sync::Arc;

use portcullis_core::config::{
    self, Address, ListenerLimits, ListenerRedirect, ListenerTls, Pointer, ProxyProtocol,
};

/// Where a listener accepts connections, and what it bounds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// The name its connections carry, and its metrics.
    pub name: Arc<str>,
    /// IP address and port, where port 0 takes any free one; or the path of a unix socket.
    pub address: Address,
    /// The host it is for, exact or with one leading `*.` label; none for every host.
    pub hostname: Option<String>,
    /// Encryption; none for clear text.
    pub tls: Option<ListenerTls>,
    /// Where every request is sent instead of being served.
    pub redirect: Option<ListenerRedirect>,
    /// The header by which a proxy in front tells who the client is.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Bounds on connections, heads and bodies. The defaults are fit for production.
    pub limits: ListenerLimits,
    /// Whether other sockets may be bound to the same address and port.
    pub reuse_port: bool,
    /// Connections the system may hold that have not been accepted yet.
    pub backlog: u32,
    /// Who may connect to a unix socket, as octal permission bits; by default 0660.
    pub socket_mode: Option<String>,
    /// Where it stands in a configuration; errors name places below it.
    pub at: Pointer,
}

impl ListenerConfig {
    /// A listener of this name at this address, with default limits, in clear text.
    pub fn new(name: impl Into<Arc<str>>, address: impl Into<Address>) -> Self {
        let usual = config::Listener::new("", address);
        Self {
            name: name.into(),
            ..Self::from(&usual)
        }
    }
}

impl From<&config::Listener> for ListenerConfig {
    fn from(listener: &config::Listener) -> Self {
        Self {
            name: listener.name.as_str().into(),
            address: listener.address.clone(),
            hostname: listener.hostname.clone(),
            tls: listener.tls.clone(),
            redirect: listener.redirect.clone(),
            proxy_protocol: listener.proxy_protocol.clone(),
            limits: listener.limits.clone(),
            reuse_port: listener.reuse_port,
            backlog: listener.backlog,
            socket_mode: listener.socket_mode.clone(),
            at: listener.at.clone(),
        }
    }
}
