//! A configuration made into services: what requests run on until the next one takes its place.

mod build;
mod digest;
mod join;
mod matching;
pub(crate) mod offline;
mod prices;
mod services;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use portcullis_core::Request;
use portcullis_core::assemble::Stores;
use portcullis_core::config::{Listener, ObjectId};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::route::{RouteMatch, Table};

use digest::{Digest, Gather};
use prices::CurrentPrices;
use services::Made;

pub use build::{Builder, Refusal, RefuseBy};
pub use offline::validate;
pub use settings::Settings;

/// Everything a configuration says, ready to serve. Immutable; requests share it.
#[derive(Default)]
pub struct Snapshot {
    listeners: BTreeMap<ObjectId, Listener>,
    backends: BTreeMap<ObjectId, Arc<Made>>,
    routes: BTreeMap<ObjectId, Arc<Route>>,
    settings: Settings,
    /// State of policies, handed from snapshot to snapshot.
    stores: Stores,
    /// What models cost now, handed from snapshot to snapshot.
    current: Arc<CurrentPrices>,
    tables: HashMap<ObjectId, Table<Arc<Served>>, RandomState>,
}

/// A route as one listener serves it.
pub struct Served {
    /// The route.
    pub id: ObjectId,
    /// Its policies around its backend.
    pub service: ArcService<Http>,
    /// Why it only answers with an error, if its configuration was refused.
    pub broken: Option<Box<str>>,
    /// Of what it was built; nothing, if it is broken.
    made: Option<Basis>,
}

/// What a route's service was built of.
#[derive(Debug)]
struct Basis {
    digest: Digest,
    needs: BTreeSet<ObjectId>,
}

/// A route with what it is on each of its listeners.
struct Route {
    matches: Vec<RouteMatch>,
    on: Vec<(ObjectId, Arc<Served>)>,
}

impl Snapshot {
    /// The listeners it wants, by identity.
    pub fn listeners(&self) -> impl Iterator<Item = (&ObjectId, &Listener)> {
        self.listeners.iter()
    }

    /// The route a request takes that comes in by `listener`.
    pub fn find(&self, listener: &ObjectId, request: &Request) -> Option<&Arc<Served>> {
        self.tables.get(listener)?.find(request)
    }

    /// The routes of a listener, in order of precedence.
    pub fn table(&self, listener: &ObjectId) -> Option<&Table<Arc<Served>>> {
        self.tables.get(listener)
    }

    /// What is set once for the whole gateway.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether an object is the very same service here as in `other`; one that is no service is.
    pub(crate) fn keeps(&self, id: &ObjectId, other: &Self) -> bool {
        match (self.backends.get(id), other.backends.get(id)) {
            (Some(ours), Some(theirs)) => return Arc::ptr_eq(ours, theirs),
            (None, None) => {}
            _ => return false,
        }
        match (self.routes.get(id), other.routes.get(id)) {
            (Some(ours), Some(theirs)) => {
                let mut pairs = ours.on.iter().zip(&theirs.on);
                ours.on.len() == theirs.on.len()
                    && pairs.all(|((_, ours), (_, theirs))| Arc::ptr_eq(ours, theirs))
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// A few letters that tell what it was built of: the same for the same configuration, on every machine.
    /// Listeners count by their policies and addresses.
    pub fn fingerprint(&self) -> String {
        let mut all = Gather::default();
        for (id, listener) in &self.listeners {
            all = all.bytes(id.to_string().as_bytes());
            all = all.bytes(listener.address.to_string().as_bytes());
            all = all.policies(&listener.policies);
        }
        for (id, route) in &self.routes {
            all = all.bytes(id.to_string().as_bytes());
            for (listener, served) in &route.on {
                all = all.bytes(listener.to_string().as_bytes());
                let made = served.made.as_ref();
                all = all.digest(made.map_or_else(Digest::default, |made| made.digest));
            }
        }
        for (id, made) in &self.backends {
            all = all.bytes(id.to_string().as_bytes()).digest(made.digest);
        }
        all.finish().short()
    }

    /// Indexes the routes by listener.
    fn assemble(
        listeners: BTreeMap<ObjectId, Listener>,
        routes: BTreeMap<ObjectId, (usize, Arc<Route>)>,
        backends: BTreeMap<ObjectId, Arc<Made>>,
        settings: Settings,
        (stores, current): (Stores, Arc<CurrentPrices>),
    ) -> Self {
        current.set(settings.prices());
        let mut in_order: Vec<_> = routes.iter().collect();
        in_order.sort_by_key(|(id, (order, _))| (id.project.clone(), *order));
        let mut entries: HashMap<ObjectId, Vec<(RouteMatch, Arc<Served>)>> = listeners
            .keys()
            .map(|id| (id.clone(), Vec::new()))
            .collect();
        for (_, (_, route)) in in_order {
            for (listener, served) in &route.on {
                let Some(entries) = entries.get_mut(listener) else {
                    continue;
                };
                entries.extend(route.matches.iter().map(|m| (m.clone(), served.clone())));
            }
        }
        let tables = entries
            .into_iter()
            .map(|(id, entries)| (id, entries.into_iter().collect()));
        Self {
            tables: tables.collect(),
            routes: routes
                .into_iter()
                .map(|(id, (_, route))| (id, route))
                .collect(),
            backends,
            settings,
            stores,
            current,
            listeners,
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("listeners", &self.listeners.keys())
            .field("routes", &self.routes.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("id", &self.id)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
