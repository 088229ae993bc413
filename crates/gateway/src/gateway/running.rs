//! A gateway that serves.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_core::config::ObjectId;
use tokio::task::{AbortHandle, JoinSet};

use super::{Gateway, builder};
use crate::admin::{Admin, Readiness};
use crate::listener::{Drained, Listener, ListenerConfig, Shutdown};

/// How long calls under way may take to finish after [`Running::stop`].
const GRACE: Duration = Duration::from_secs(30);

/// A gateway that serves. Dropping it cuts everything at once; [`stop`](Self::stop) lets calls finish.
#[derive(Debug)]
pub struct Running {
    gateway: Gateway,
    addresses: Vec<(ObjectId, SocketAddr)>,
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
        for (id, listener) in gateway.listeners() {
            if !builder::is_embedded(&id, &listener) {
                bound.push((id, Listener::bind(ListenerConfig::from(&listener)).await?));
            }
        }
        let readiness = Readiness::new();
        let admin = match gateway.0.admin {
            Some(address) => Some(Pages::open(address, gateway, readiness.clone()).await?),
            None => None,
        };
        let mut running = Self {
            gateway: gateway.clone(),
            addresses: Vec::new(),
            admin,
            readiness,
            shutdown: Shutdown::new(),
            tasks: JoinSet::new(),
        };
        for (id, listener) in bound {
            running.serve(id, listener);
        }
        running.readiness.ready();
        Ok(running)
    }

    fn serve(&mut self, id: ObjectId, listener: Listener) {
        let counters = self.gateway.recorder().metrics().connections(&id.name);
        let service = self.gateway.service(&id);
        self.addresses.push((id, listener.local_addr()));
        self.tasks.spawn(
            listener
                .with_counters(counters)
                .serve(service, self.shutdown.clone()),
        );
    }

    /// Where it listens, port 0 resolved.
    pub fn addresses(&self) -> &[(ObjectId, SocketAddr)] {
        &self.addresses
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

impl Pages {
    async fn open(
        address: SocketAddr,
        gateway: &Gateway,
        readiness: Readiness,
    ) -> Result<Self, RunError> {
        let listener = Listener::bind(ListenerConfig::new("admin", address)).await?;
        let address = listener.local_addr();
        let pages = Admin::new(gateway.recorder().clone(), readiness);
        let task = tokio::spawn(listener.serve(pages, Shutdown::new())).abort_handle();
        Ok(Self { address, task })
    }
}
