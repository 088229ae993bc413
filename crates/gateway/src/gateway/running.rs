//! A gateway that serves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::config::{self, Address, ObjectId};
use tokio::task::{AbortHandle, JoinSet};

use super::{Gateway, builder};
use crate::admin::{Admin, Readiness};
use crate::listener::{Drained, Listener, ListenerConfig, ListenerHandle, Shutdown};

/// How long calls under way may take to finish after [`Running::stop`].
const GRACE: Duration = Duration::from_secs(30);

/// A gateway that serves. Dropping it cuts everything at once; [`stop`](Self::stop) lets calls finish.
#[derive(Debug)]
pub struct Running {
    gateway: Gateway,
    addresses: Vec<(ObjectId, SocketAddr)>,
    sockets: Vec<(ObjectId, PathBuf)>,
    handles: Vec<(ObjectId, ListenerHandle)>,
    admin: Option<Pages>,
    readiness: Readiness,
    shutdown: Shutdown,
    tasks: JoinSet<Drained>,
}

/// The admin listener: it answers until everything else has ended.
#[derive(Debug)]
struct Pages {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a gateway could not begin to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address could not be bound.
    #[error("{0}")]
    Bind(#[from] std::io::Error),
}

impl Running {
    pub(super) async fn start(gateway: &Gateway) -> Result<Self, RunError> {
        let mut bound = Vec::new();
        for sharing in by_address(gateway) {
            let configs: Vec<_> = sharing
                .iter()
                .map(|(_, one)| ListenerConfig::from(one))
                .collect();
            let listener = Listener::bind_shared(&configs).await?;
            let ids: Vec<_> = sharing.into_iter().map(|(id, _)| id).collect();
            bound.push((ids, listener));
        }
        let readiness = Readiness::new();
        let admin = match gateway.0.admin {
            Some(address) => Some(Pages::open(address, gateway, readiness.clone()).await?),
            None => None,
        };
        let mut running = Self {
            gateway: gateway.clone(),
            addresses: Vec::new(),
            sockets: Vec::new(),
            handles: Vec::new(),
            admin,
            readiness,
            shutdown: Shutdown::new(),
            tasks: JoinSet::new(),
        };
        for (ids, listener) in bound {
            running.serve(ids, listener);
        }
        running.readiness.ready();
        Ok(running)
    }

    /// Serves the listeners that share a socket.
    fn serve(&mut self, ids: Vec<ObjectId>, listener: Listener) {
        let first = &ids[0];
        let counters = self.gateway.recorder().metrics().connections(&first.name);
        let service = self.gateway.service_of(&first.project);
        let listener = listener
            .with_counters(counters)
            .with_render(self.gateway.codec());
        for id in ids {
            match listener.local_addr() {
                Address::Ip(address) => self.addresses.push((id.clone(), *address)),
                Address::Unix(path) => self.sockets.push((id.clone(), path.clone())),
            }
            self.handles.push((id, listener.handle()));
        }
        self.tasks
            .spawn(listener.serve(service, self.shutdown.clone()));
    }

    /// Where it listens, port 0 resolved; unix sockets are not among them. Listeners may share an address.
    pub fn addresses(&self) -> &[(ObjectId, SocketAddr)] {
        &self.addresses
    }

    /// The unix sockets it listens at.
    pub fn sockets(&self) -> &[(ObjectId, PathBuf)] {
        &self.sockets
    }

    /// How a listener is spoken to: `https`, or `http`.
    pub fn scheme(&self, listener: &ObjectId) -> &'static str {
        match self.handle(listener) {
            Some(handle) if handle.is_encrypted() => "https",
            _ => "http",
        }
    }

    /// Changes a listener while it serves; those that share a socket share the handle.
    pub fn handle(&self, listener: &ObjectId) -> Option<&ListenerHandle> {
        let found = self.handles.iter().find(|(id, _)| id == listener);
        found.map(|(_, handle)| handle)
    }

    /// Where the admin pages are, if the configuration asks for them.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|pages| pages.address)
    }

    /// The handle by which anything may begin the stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves until the stop has begun by [`shutdown`](Self::shutdown) and everything has ended. Returns
    /// how the connections that were open then ended; their records have been handled by then.
    pub async fn wait(mut self) -> Drained {
        let mut all = Drained::default();
        loop {
            tokio::select! {
                () = self.shutdown.begun(), if self.readiness.is_ready() => self.readiness.draining(),
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(drained)) => {
                        all.finished += drained.finished;
                        all.cut += drained.cut;
                    }
                    Some(Err(_)) => {}
                    None => break,
                }
            }
        }
        self.gateway.recorder().flush().await;
        all
    }

    /// Stops: nothing new is accepted, calls under way have 30 s to finish.
    pub async fn stop(self) -> Drained {
        self.shutdown.begin(GRACE);
        self.wait().await
    }
}

/// The listeners to be bound, those that share a socket together.
fn by_address(gateway: &Gateway) -> Vec<Vec<(ObjectId, config::Listener)>> {
    let mut groups: Vec<Vec<(ObjectId, config::Listener)>> = Vec::new();
    for (id, listener) in gateway.listeners() {
        if builder::is_embedded(&id, &listener) {
            continue;
        }
        let shares = |group: &&mut Vec<(ObjectId, config::Listener)>| {
            listener.address.is_definite() && group[0].1.address == listener.address
        };
        match groups.iter_mut().find(shares) {
            Some(group) => group.push((id, listener)),
            None => groups.push(vec![(id, listener)]),
        }
    }
    groups
}

impl Pages {
    async fn open(
        address: SocketAddr,
        gateway: &Gateway,
        readiness: Readiness,
    ) -> Result<Self, RunError> {
        let listener = Listener::bind(ListenerConfig::new("admin", address)).await?;
        let address = listener.local_addr().ip().expect("it was bound to one");
        let pages = Admin::new(gateway.recorder().clone(), readiness);
        let task = tokio::spawn(listener.serve(pages, Shutdown::new())).abort_handle();
        Ok(Self { address, task })
    }
}
