//! One socket that is listened at, and the listeners that share it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::config::{self, Address, ObjectId};

use crate::gateway::{Gateway, builder};
use crate::listener::{Drained, Listener, ListenerConfig, ListenerHandle, Shutdown};
use crate::snapshot::Snapshot;

/// Listeners at one socket, with their identities.
pub(super) type Sharing = Vec<(ObjectId, config::Listener)>;

/// What tells sockets apart: the address, and for one the system is to choose, whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    project: Arc<str>,
    address: String,
    alone: Option<ObjectId>,
}

impl Place {
    /// Whether it is the same address, of another project.
    pub(super) fn is_taken_from(&self, other: &Self) -> bool {
        self.alone.is_none() && self.address == other.address && self.project != other.project
    }
}

/// The sockets a configuration wants.
pub(super) fn places(wanted: &Snapshot) -> BTreeMap<Place, Sharing> {
    let mut places: BTreeMap<Place, Sharing> = BTreeMap::new();
    for (id, listener) in wanted.listeners() {
        if builder::is_embedded(id, listener) {
            continue;
        }
        let place = Place {
            project: id.project.clone(),
            address: listener.address.to_string(),
            alone: (!listener.address.is_definite()).then(|| id.clone()),
        };
        let sharing = places.entry(place).or_default();
        sharing.push((id.clone(), listener.clone()));
    }
    places
}

/// Binds the socket of some listeners; one that was handed over at the start is taken.
///
/// Where another project has the address and is to have it no more, its socket is taken over from `other`.
pub(super) async fn bind(
    gateway: &Gateway,
    sharing: &Sharing,
    other: Option<ListenerHandle>,
) -> io::Result<Listener> {
    let configs = configs(sharing);
    if let Some(socket) = other.and_then(|other| other.share()) {
        return Listener::after(&configs, socket);
    }
    let handed = match &sharing[0].1.address {
        Address::Ip(address) => handed_over(gateway, *address),
        Address::Unix(_) => None,
    };
    match handed {
        Some(socket) => Listener::from_socket(&configs, socket),
        None => Listener::bind_shared(&configs).await,
    }
}

fn handed_over(gateway: &Gateway, address: SocketAddr) -> Option<std::net::TcpListener> {
    let mut handed = gateway.0.sockets.iter();
    let socket = handed.find(|socket| socket.local_addr().ok() == Some(address));
    socket?.try_clone().ok()
}

/// Whether these are the same listeners, wherever in their files they stand. What a certificate's file holds counts.
fn say_the_same(some: &Sharing, others: &Sharing) -> bool {
    let mut pairs = some.iter().zip(others);
    some.len() == others.len()
        && pairs.all(|((id, one), (other_id, other))| id == other_id && one.says_the_same(other))
}

fn configs(sharing: &Sharing) -> Vec<ListenerConfig> {
    sharing
        .iter()
        .map(|(_, one)| ListenerConfig::from(one))
        .collect()
}

/// A socket that accepts.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) sharing: Sharing,
    pub(super) local: Address,
    pub(super) handle: ListenerHandle,
    /// What its calls run on; once it is closed, that stays what it was.
    snapshot: Arc<ArcSwap<Snapshot>>,
    shutdown: Shutdown,
}

impl Door {
    /// Lets a bound listener accept. The future is its serving, which also ends with `all`.
    pub(super) fn open(
        gateway: &Gateway,
        sharing: Sharing,
        listener: Listener,
        snapshot: &Arc<Snapshot>,
        all: Shutdown,
    ) -> (Self, impl Future<Output = Drained> + Send + 'static) {
        let door = Self {
            local: listener.local_addr().clone(),
            handle: listener.handle(),
            snapshot: Arc::new(ArcSwap::new(snapshot.clone())),
            shutdown: Shutdown::new(),
            sharing,
        };
        let first = &door.sharing[0].0;
        let metrics = gateway.recorder().metrics().clone();
        let service = gateway.service_of(door.snapshot.clone(), &first.project);
        let served = listener
            .with_counters_of(move |name| metrics.connections(name))
            .with_replies(gateway.replies());
        let own = door.shutdown.clone();
        let served = served.serve(service, own.clone());
        let serving = async move {
            tokio::select! {
                drained = served => drained,
                () = all.pass_on(&own) => Drained::default(),
            }
        };
        (door, serving)
    }

    /// Takes over what the listeners at its socket are now. Connections go on as they are.
    pub(super) fn follow(&mut self, wanted: &Sharing, snapshot: &Arc<Snapshot>) {
        if !say_the_same(&self.sharing, wanted) {
            // What is wrong with a listener alone or beside others has kept it out of the snapshot.
            if let Err(error) = self.handle.update(&configs(wanted)) {
                let address = &self.local;
                tracing::error!(%address, %error, "a listener serves on as it was");
            }
            self.sharing.clone_from(wanted);
        }
        self.snapshot.store(snapshot.clone());
    }

    pub(super) fn close(&self, grace: Duration) {
        self.shutdown.begin(grace);
    }
}
