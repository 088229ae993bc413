//! A gateway that serves.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_core::config::ObjectId;
use tokio::task::JoinSet;

use super::{Gateway, builder};
use crate::listener::{Drained, Listener, ListenerConfig, Shutdown};

/// How long calls under way may take to finish after [`Running::stop`], unless told otherwise.
const GRACE: Duration = Duration::from_secs(30);

/// A gateway that serves. Dropping it cuts everything at once; [`stop`](Self::stop) lets calls finish.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<(ObjectId, SocketAddr)>,
    shutdown: Shutdown,
    tasks: JoinSet<Drained>,
}

/// Why a gateway could not begin to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address could not be bound.
    #[error("cannot listen")]
    Bind(#[from] std::io::Error),
}

impl Running {
    pub(super) async fn start(gateway: &Gateway) -> Result<Self, RunError> {
        let shutdown = Shutdown::new();
        let mut bound = Vec::new();
        for (id, listener) in gateway.listeners() {
            if !builder::is_embedded(&id, &listener) {
                bound.push((id, Listener::bind(ListenerConfig::from(&listener)).await?));
            }
        }
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for (id, listener) in bound {
            addresses.push((id.clone(), listener.local_addr()));
            tasks.spawn(listener.serve(gateway.service(&id), shutdown.clone()));
        }
        Ok(Self {
            addresses,
            shutdown,
            tasks,
        })
    }

    /// Where it listens, port 0 resolved.
    pub fn addresses(&self) -> &[(ObjectId, SocketAddr)] {
        &self.addresses
    }

    /// The handle by which anything may begin the stop.
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves until the stop has begun by [`shutdown`](Self::shutdown) and everything has ended. Returns
    /// how the connections that were open then ended.
    pub async fn wait(mut self) -> Drained {
        let mut all = Drained::default();
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(drained) = ended {
                all.finished += drained.finished;
                all.cut += drained.cut;
            }
        }
        all
    }

    /// Stops: nothing new is accepted, calls under way have 30 s to finish.
    pub async fn stop(self) -> Drained {
        self.shutdown.begin(GRACE);
        self.wait().await
    }
}
