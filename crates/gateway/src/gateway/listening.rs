//! The listeners that are open, and how they become those of another configuration.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_core::config::{self, ConfigError, Kind, ObjectId, Pointer};
use tokio::task::{JoinError, JoinSet};

use super::{Gateway, builder};
use crate::admin::{Admin, Readiness};
use crate::listener::{Drained, Listener, ListenerConfig, Shutdown};
use crate::snapshot::Snapshot;

/// How long what the admin listener is answering has to finish, once it moved or was removed.
const ADMIN_GRACE: Duration = Duration::from_secs(5);

/// The listeners that are open. Dropping it cuts every connection.
#[derive(Debug)]
pub(super) struct Listening {
    gateway: Gateway,
    readiness: Readiness,
    shutdown: Shutdown,
    open: Mutex<Open>,
    tasks: Mutex<JoinSet<Drained>>,
}

#[derive(Debug, Default)]
struct Open {
    doors: BTreeMap<ObjectId, Door>,
    admin: Option<Pages>,
}

/// One listener that accepts.
#[derive(Debug)]
struct Door {
    config: config::Listener,
    address: SocketAddr,
    /// The socket once more, for another listener to take over.
    socket: Arc<Mutex<Option<TcpListener>>>,
    /// What its calls run on; once it is removed, that stays what it was.
    snapshot: Arc<ArcSwap<Snapshot>>,
    shutdown: Shutdown,
}

/// The admin listener: it answers until everything else has ended.
#[derive(Debug)]
struct Pages {
    configured: SocketAddr,
    address: SocketAddr,
    shutdown: Shutdown,
}

/// What is bound for another configuration, and does not accept yet. Dropping it leaves everything as it is.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    doors: Vec<(ObjectId, config::Listener, Listener)>,
    admin: Option<(SocketAddr, Listener)>,
    /// What could not be bound.
    pub(super) faults: Vec<(ObjectId, ConfigError)>,
}

impl Listening {
    pub(super) fn new(gateway: Gateway, readiness: Readiness) -> Self {
        Self {
            gateway,
            readiness,
            shutdown: Shutdown::new(),
            open: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    pub(super) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    pub(super) fn addresses(&self) -> Vec<(ObjectId, SocketAddr)> {
        let open = self.open.lock();
        let doors = open.doors.iter();
        doors.map(|(id, door)| (id.clone(), door.address)).collect()
    }

    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.open.lock().admin.as_ref().map(|pages| pages.address)
    }

    /// Binds what `wanted` has beyond what is open. Nothing accepts on it yet.
    ///
    /// # Errors
    ///
    /// The first address that could not be bound is also returned as the system's error; all are among the
    /// [faults](Prepared::faults).
    pub(super) async fn prepare(&self, wanted: &Snapshot) -> (Prepared, io::Result<()>) {
        let (mut prepared, mut first) = (Prepared::default(), Ok(()));
        for (id, listener) in wanted.listeners() {
            if builder::is_embedded(id, listener) || self.is_open(id, listener) {
                continue;
            }
            match self.bind(id, listener).await {
                Ok(bound) => prepared.doors.push((id.clone(), listener.clone(), bound)),
                Err(e) => {
                    let at = listener.at.key("address");
                    prepared.faults.push((id.clone(), cannot_bind(at, &e)));
                    first = first.and(Err(e));
                }
            }
        }
        if let Some((owner, admin)) = wanted.settings().admin()
            && self.configured_admin() != Some(admin.address)
        {
            match Listener::bind(ListenerConfig::new("admin", admin.address)).await {
                Ok(bound) => prepared.admin = Some((admin.address, bound)),
                Err(e) => {
                    let at = Pointer::root().key("admin").key("address");
                    prepared.faults.push((owner, cannot_bind(at, &e)));
                    first = first.and(Err(e));
                }
            }
        }
        (prepared, first)
    }

    fn configured_admin(&self) -> Option<SocketAddr> {
        let open = self.open.lock();
        open.admin.as_ref().map(|pages| pages.configured)
    }

    /// Whether it is open as this one would be. Policies are no part of that: they come with the snapshot.
    fn is_open(&self, id: &ObjectId, listener: &config::Listener) -> bool {
        let bare = |listener: &config::Listener| {
            let mut bare = listener.clone();
            bare.policies.clear();
            bare.export = false;
            bare
        };
        let open = self.open.lock();
        let door = open.doors.get(id);
        door.is_some_and(|door| bare(&door.config).says_the_same(&bare(listener)))
    }

    async fn bind(&self, id: &ObjectId, listener: &config::Listener) -> io::Result<Listener> {
        let config = ListenerConfig::from(listener);
        match self.socket(id, listener.address) {
            Some(socket) => Listener::from_socket(config, socket),
            None => Listener::bind(config).await,
        }
    }

    /// A socket at this address that we have: of the listener itself, which only changes its settings, of one
    /// that had another name, or one handed over at the start.
    fn socket(&self, id: &ObjectId, address: SocketAddr) -> Option<TcpListener> {
        let open = self.open.lock();
        let at_it = |(other, door): &(&ObjectId, &Door)| {
            door.config.address == address && (address.port() != 0 || *other == id)
        };
        if let Some((_, door)) = open.doors.iter().find(at_it) {
            return door.socket.lock().as_ref()?.try_clone().ok();
        }
        let handed = self.gateway.0.sockets.iter();
        let mut handed = handed.filter(|socket| socket.local_addr().ok() == Some(address));
        handed.next()?.try_clone().ok()
    }

    /// Lets what was prepared accept, gives everything open the new snapshot, and lets those end that it has
    /// no more. After the stop has begun nothing is opened.
    pub(super) fn apply(&self, prepared: Prepared, snapshot: &Arc<Snapshot>) {
        if self.shutdown.has_begun() {
            return;
        }
        let grace = snapshot.settings().shutdown().grace.get();
        let wanted: BTreeMap<_, _> = snapshot.listeners().collect();
        let mut open = self.open.lock();
        for (id, config, bound) in prepared.doors {
            if wanted.get(&id).is_none_or(|w| w.address != config.address) {
                continue;
            }
            let door = self.open_door(&id, config, bound, snapshot);
            if let Some(old) = open.doors.insert(id, door) {
                old.close(grace);
            }
        }
        open.doors.retain(|id, door| {
            let Some(listener) = wanted.get(id) else {
                door.close(grace);
                return false;
            };
            door.config.policies.clone_from(&listener.policies);
            door.config.export = listener.export;
            door.snapshot.store(snapshot.clone());
            true
        });
        self.apply_admin(&mut open, prepared.admin, snapshot);
        // Those of listeners removed before are done with.
        while self.tasks.lock().try_join_next().is_some() {}
    }

    fn apply_admin(
        &self,
        open: &mut Open,
        bound: Option<(SocketAddr, Listener)>,
        snapshot: &Snapshot,
    ) {
        let wanted = snapshot.settings().admin().map(|(_, admin)| admin.address);
        let bound = bound.filter(|(address, _)| wanted == Some(*address));
        if bound.is_none() && wanted.is_some() {
            return;
        }
        if let Some(old) = open.admin.take() {
            old.shutdown.begin(ADMIN_GRACE);
        }
        open.admin = bound.map(|(configured, listener)| {
            let (address, shutdown) = (listener.local_addr(), Shutdown::new());
            let recorder = self.gateway.recorder().clone();
            let pages = Admin::new(recorder, self.readiness.clone());
            let pages = pages.with_status(self.gateway.0.status.clone());
            let served = listener.serve(pages, shutdown.clone());
            self.tasks.lock().spawn(async move {
                served.await;
                // What it cut is no call.
                Drained::default()
            });
            Pages {
                configured,
                address,
                shutdown,
            }
        });
    }

    fn open_door(
        &self,
        id: &ObjectId,
        config: config::Listener,
        listener: Listener,
        snapshot: &Arc<Snapshot>,
    ) -> Door {
        let door = Door {
            config,
            address: listener.local_addr(),
            // Without it the address can still be served, only not be taken over.
            socket: Arc::new(Mutex::new(listener.duplicate().ok())),
            snapshot: Arc::new(ArcSwap::new(snapshot.clone())),
            shutdown: Shutdown::new(),
        };
        let counters = self.gateway.recorder().metrics().connections(&id.name);
        let service = self.gateway.service_on(door.snapshot.clone(), id);
        let served = listener.with_counters(counters);
        let served = served.serve(service, door.shutdown.clone());
        let (all, own) = (self.shutdown.clone(), door.shutdown.clone());
        let socket = door.socket.clone();
        let closing = async move {
            own.begun().await;
            // The port is closed only when nobody has its socket.
            drop(socket.lock().take());
            std::future::pending::<()>().await;
        };
        let own = door.shutdown.clone();
        self.tasks.lock().spawn(async move {
            tokio::select! {
                drained = served => drained,
                () = all.pass_on(&own) => Drained::default(),
                () = closing => Drained::default(),
            }
        });
        door
    }

    /// Waits until the next listener has ended; `None` when there is none.
    pub(super) async fn next_ended(&self) -> Option<Result<Drained, JoinError>> {
        poll_fn(|cx| self.tasks.lock().poll_join_next(cx)).await
    }

    /// Lets the admin listener end, which outlives the others.
    pub(super) fn close_admin(&self) {
        if let Some(pages) = self.open.lock().admin.take() {
            pages.shutdown.begin(Duration::ZERO);
        }
    }

    /// How many listeners have not ended, the admin listener aside.
    pub(super) fn left(&self) -> usize {
        let admin = usize::from(self.open.lock().admin.is_some());
        self.tasks.lock().len().saturating_sub(admin)
    }

    /// Cuts every connection.
    pub(super) fn cut(&self) {
        self.tasks.lock().abort_all();
    }
}

impl Door {
    fn close(&self, grace: Duration) {
        drop(self.socket.lock().take());
        self.shutdown.begin(grace);
    }
}

fn cannot_bind(at: Pointer, error: &io::Error) -> ConfigError {
    let words = error.kind().to_string();
    ConfigError::new(at, format!("cannot bind the address: {words}"))
}

/// The identity of a project as the owner of what is set once.
pub(super) fn project(name: &str) -> ObjectId {
    ObjectId::new(name, Kind::Project, name)
}
