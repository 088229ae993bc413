//! The listeners that are open, and how they become those of another configuration.

mod door;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_core::config::{Address, ConfigError, Kind, ObjectId, Pointer};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::Gateway;
use crate::admin::{Admin, Readiness};
use crate::listener::{CLOSING, Drained, Listener, ListenerConfig, ListenerHandle, Shutdown};
use crate::snapshot::Snapshot;

use door::{Door, Place, Sharing, places};

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
    doors: BTreeMap<Place, Door>,
    admin: Option<Pages>,
    /// When a socket was last let go.
    closed: Option<Instant>,
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
    doors: Vec<(Place, Sharing, Listener)>,
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
        self.each(|door| match door.local {
            Address::Ip(address) => Some(address),
            Address::Unix(_) => None,
        })
    }

    pub(super) fn sockets(&self) -> Vec<(ObjectId, PathBuf)> {
        self.each(|door| match &door.local {
            Address::Ip(_) => None,
            Address::Unix(path) => Some(path.clone()),
        })
    }

    pub(super) fn handle(&self, listener: &ObjectId) -> Option<ListenerHandle> {
        let found = self.each(|door| Some(door.handle.clone())).into_iter();
        let mut found = found.filter(|(id, _)| id == listener);
        found.next().map(|(_, handle)| handle)
    }

    /// What there is to say of the socket of each listener, in the order of their identities.
    fn each<T: Clone>(&self, of: impl Fn(&Door) -> Option<T>) -> Vec<(ObjectId, T)> {
        let open = self.open.lock();
        let mut each = BTreeMap::new();
        for door in open.doors.values() {
            let ids = door.sharing.iter().map(|(id, _)| id.clone());
            each.extend(
                of(door)
                    .into_iter()
                    .flat_map(|t| ids.clone().map(move |id| (id, t.clone()))),
            );
        }
        each.into_iter().collect()
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
        let all = places(wanted);
        for (place, sharing) in all.clone() {
            if self.open.lock().doors.contains_key(&place) {
                continue;
            }
            let other = self.leaving(&place, &all);
            match self.bind(&sharing, other).await {
                Ok(bound) => prepared.doors.push((place, sharing, bound)),
                Err(e) => {
                    let faults = sharing.iter().map(|(id, listener)| {
                        (id.clone(), cannot_bind(listener.at.key("address"), &e))
                    });
                    prepared.faults.extend(faults);
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

    /// Binds; an address that was ours until just now is waited for.
    async fn bind(&self, sharing: &Sharing, other: Option<ListenerHandle>) -> io::Result<Listener> {
        let bound = door::bind(&self.gateway, sharing, other).await;
        let closed = self.open.lock().closed;
        let ours = || closed.is_some_and(|closed| closed.elapsed() < CLOSING * 2);
        match bound {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && ours() => {
                tokio::time::sleep(CLOSING * 2).await;
                door::bind(&self.gateway, sharing, None).await
            }
            bound => bound,
        }
    }

    /// The listener at the same address which another project has no more.
    fn leaving(&self, place: &Place, wanted: &BTreeMap<Place, Sharing>) -> Option<ListenerHandle> {
        let open = self.open.lock();
        let mut doors = open.doors.iter();
        let (_, door) =
            doors.find(|(at, _)| place.is_taken_from(at) && !wanted.contains_key(at))?;
        Some(door.handle.clone())
    }

    fn configured_admin(&self) -> Option<SocketAddr> {
        let open = self.open.lock();
        open.admin.as_ref().map(|pages| pages.configured)
    }

    /// Lets what was prepared accept, gives everything open the new snapshot, and lets those end that it has
    /// no more. After the stop has begun nothing is opened.
    pub(super) fn apply(&self, prepared: Prepared, snapshot: &Arc<Snapshot>) {
        if self.shutdown.has_begun() {
            return;
        }
        let grace = snapshot.settings().shutdown().grace.get();
        let wanted = places(snapshot);
        let mut open = self.open.lock();
        let mut taken = Vec::new();
        for (place, sharing, bound) in prepared.doors {
            taken.push(place.clone());
            if wanted.contains_key(&place) {
                let all = self.shutdown.clone();
                let (door, serving) = Door::open(&self.gateway, sharing, bound, snapshot, all);
                self.tasks.lock().spawn(serving);
                open.doors.insert(place, door);
            }
        }
        let before = open.doors.len();
        open.doors.retain(|place, door| {
            let Some(sharing) = wanted.get(place) else {
                if taken.iter().any(|other| other.is_taken_from(place)) {
                    door.handle.release();
                }
                door.close(grace);
                return false;
            };
            door.follow(sharing, snapshot);
            true
        });
        if open.doors.len() < before {
            open.closed = Some(Instant::now());
        }
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
            let shutdown = Shutdown::new();
            let address = listener.local_addr().ip().unwrap_or(configured);
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

fn cannot_bind(at: Pointer, error: &io::Error) -> ConfigError {
    let words = error.kind().to_string();
    ConfigError::new(at, format!("cannot bind the address: {words}"))
}

/// The identity of a project as the owner of what is set once.
pub(super) fn project(name: &str) -> ObjectId {
    ObjectId::new(name, Kind::Project, name)
}
