//! The first stretch of the line: changing a listener while it serves.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use portcullis_core::config::{Address, ConfigError};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::sites::Sites;
use super::{ListenerConfig, socket};

/// What a listener's handle and its loop both hold.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) sites: ArcSwap<Sites>,
    /// Told of when `sites` has become another.
    pub(super) changed: Notify,
    address: Address,
    socket: Weak<TcpListener>,
    /// Whether another listener has taken over the socket.
    pub(super) released: AtomicBool,
}

impl Shared {
    pub(super) fn new(sites: Sites, address: Address, socket: Weak<TcpListener>) -> Self {
        Self {
            sites: ArcSwap::from_pointee(sites),
            changed: Notify::new(),
            address,
            socket,
            released: AtomicBool::new(false),
        }
    }
}

/// Changes a listener while it serves. Clones are of the same listener; it may outlive it.
#[derive(Clone)]
pub struct ListenerHandle(pub(super) Arc<Shared>);

impl ListenerHandle {
    /// Swaps in other settings: certificates, limits, hostnames, redirects, the listeners that share the
    /// socket. Connections open now go on as they are; those accepted from here on meet the new settings.
    ///
    /// Sessions of TLS can be resumed across the swap, unless the listener of that name asks for other
    /// client certificates than before. `reusePort`, `backlog` and `socketMode` only count when a socket is
    /// bound; here they are checked and change nothing.
    ///
    /// # Errors
    ///
    /// When the settings cannot be, or are for another address. Then nothing has changed.
    pub fn update(&self, sharing: &[ListenerConfig]) -> Result<(), ConfigError> {
        if let Some(moved) = sharing.iter().find(|one| one.address != self.0.address) {
            let at = moved.at.key("address");
            return Err(ConfigError::new(at, "a bound listener cannot move"));
        }
        let sites = Sites::new(sharing, Some(&self.0.sites.load()))?;
        self.0.sites.store(Arc::new(sites));
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Its socket once more, for a listener that is to take its place; none of a unix socket.
    pub(crate) fn share(&self) -> Option<std::net::TcpListener> {
        socket::duplicate(&*self.0.socket.upgrade()?).ok()
    }

    /// Leaves the socket, and who waits there, to whoever has taken it over.
    pub(crate) fn release(&self) {
        self.0.released.store(true, Ordering::Relaxed);
    }

    /// Whether its connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.sites.load().is_encrypted()
    }
}

impl fmt::Debug for ListenerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerHandle")
            .field("address", &self.0.address)
            .finish_non_exhaustive()
    }
}
