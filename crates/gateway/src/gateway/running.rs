//! A gateway that serves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::config::{self, ObjectId};
use tokio::task::AbortHandle;

use super::Gateway;
use super::listening::Listening;
use crate::admin::Readiness;
use crate::listener::{Drained, ListenerHandle, Shutdown};

/// A gateway that serves. Dropping it cuts everything at once; [`stop`](Self::stop) lets calls finish.
///
/// Unless the builder said otherwise it [follows](Gateway::follow) its source.
#[derive(Debug)]
pub struct Running {
    gateway: Gateway,
    listening: Arc<Listening>,
    readiness: Readiness,
    following: Option<AbortHandle>,
}

/// Stops a gateway that serves, from anywhere. Clones stop the same one.
#[derive(Clone, Debug)]
pub struct Stop {
    gateway: Gateway,
    readiness: Readiness,
    shutdown: Shutdown,
}

/// Why a gateway could not begin to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address could not be bound.
    #[error("{0}")]
    Bind(#[from] std::io::Error),
    /// It serves already.
    #[error("the gateway serves already")]
    Again,
}

impl Running {
    pub(super) async fn start(gateway: &Gateway) -> Result<Self, RunError> {
        let turn = gateway.0.turn.lock().await;
        if gateway.0.listening.lock().strong_count() > 0 {
            return Err(RunError::Again);
        }
        let readiness = Readiness::new();
        let listening = Arc::new(Listening::new(gateway.clone(), readiness.clone()));
        let snapshot = gateway.0.snapshot.load_full();
        let (prepared, bound) = listening.prepare(&snapshot).await;
        bound?;
        listening.apply(prepared, &snapshot);
        *gateway.0.listening.lock() = Arc::downgrade(&listening);
        drop(turn);
        let gateway = gateway.clone();
        let following = gateway.0.follows.then(|| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.follow().await }).abort_handle()
        });
        readiness.ready();
        Ok(Self {
            gateway,
            listening,
            readiness,
            following,
        })
    }

    /// Where it listens now, port 0 resolved.
    pub fn addresses(&self) -> Vec<(ObjectId, SocketAddr)> {
        self.listening.addresses()
    }

    /// The unix sockets it listens at now.
    pub fn sockets(&self) -> Vec<(ObjectId, PathBuf)> {
        self.listening.sockets()
    }

    /// How a listener is spoken to: `https`, or `http`.
    pub fn scheme(&self, listener: &ObjectId) -> &'static str {
        match self.handle(listener) {
            Some(handle) if handle.is_encrypted() => "https",
            _ => "http",
        }
    }

    /// Changes a listener while it serves, until the next configuration; those that share a socket share the
    /// handle.
    pub fn handle(&self, listener: &ObjectId) -> Option<ListenerHandle> {
        self.listening.handle(listener)
    }

    /// Where the admin pages are now, if the configuration asks for them.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.listening.admin()
    }

    /// The handle by which anything may begin the stop, at once and with a deadline of its own.
    pub fn shutdown(&self) -> Shutdown {
        self.listening.shutdown().clone()
    }

    /// The handle by which anything may begin the stop as the configuration says.
    pub fn stopping(&self) -> Stop {
        Stop {
            gateway: self.gateway.clone(),
            readiness: self.readiness.clone(),
            shutdown: self.shutdown(),
        }
    }

    /// Serves until the stop has begun by [`shutdown`](Self::shutdown) or [`stopping`](Self::stopping) and
    /// everything has ended. Returns how the connections that were open then ended; their records have been
    /// handled by then.
    pub async fn wait(self) -> Drained {
        self.listening.shutdown().begun().await;
        self.readiness.draining();
        if let Some(following) = &self.following {
            following.abort();
        }
        let mut all = Drained::default();
        while self.listening.left() > 0 {
            if let Some(Ok(drained)) = self.listening.next_ended().await {
                all.finished += drained.finished;
                all.cut += drained.cut;
            }
        }
        self.listening.close_admin();
        while self.listening.next_ended().await.is_some() {}
        self.gateway.recorder().flush().await;
        all
    }

    /// Stops as the configuration says: `/readyz` turns, and after `shutdown.delay` nothing new is accepted
    /// and calls under way have `shutdown.grace` to finish.
    pub async fn stop(self) -> Drained {
        let stop = self.stopping();
        let (drained, ()) = tokio::join!(self.wait(), stop.begin());
        drained
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
        self.listening.cut();
    }
}

impl Stop {
    /// How the configuration that serves now says to stop.
    pub fn settings(&self) -> config::Shutdown {
        self.gateway.0.snapshot.load().settings().shutdown()
    }

    /// Turns `/readyz`, waits for `shutdown.delay`, and begins the stop.
    pub async fn begin(&self) {
        self.readiness.draining();
        let settings = self.settings();
        tokio::time::sleep(settings.delay.get()).await;
        self.shutdown.begin(settings.grace.get());
    }

    /// Cuts at once what is left.
    pub fn cut(&self) {
        self.readiness.draining();
        self.shutdown.begin(Duration::ZERO);
    }
}
