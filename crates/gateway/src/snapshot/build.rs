//! Building a snapshot of the projects a source loaded, beside the one that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::assemble::{AnyService, Build as _, Chain, Level, Registry, Scope};
use portcullis_core::config::{self, ConfigError, Kind, Listener, Loaded, ObjectId, Report};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmCodec};
use portcullis_core::protocol::{ArcLayer, ArcService, DecodeLayer, Http};
use tower_layer::Layer;

use super::digest::{Digest, Gather};
use super::services::Services;
use super::settings::{self, Settings};
use super::{Basis, Route, Served, Snapshot, join, matching};
use crate::listener;
use crate::unpack::Unpacker;
use crate::upstream::Transports;

/// What one error takes down with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefuseBy {
    /// The whole configuration: for one file.
    #[default]
    All,
    /// The project it stands in, and the routes of others that need what it exports: for a directory of
    /// projects.
    Project,
    /// The object it stands in and the routes that need that object: for a cluster.
    Object,
}

/// The configuration was refused as a whole, for what the report says.
#[derive(Debug, thiserror::Error)]
#[error("the configuration was refused")]
pub struct Refusal {
    /// What became of every object.
    pub report: Report,
}

/// Builds snapshots. Synchronous, and reaches no network.
#[derive(Debug)]
pub struct Builder<'a> {
    registry: &'a Registry,
    client: ArcService<Http>,
    transports: Transports,
    refuse_by: RefuseBy,
    faults: Vec<(ObjectId, ConfigError)>,
}

impl<'a> Builder<'a> {
    /// Builds of the names in `registry`; what reaches upstreams does so by `client`.
    pub fn new(registry: &'a Registry, client: ArcService<Http>) -> Self {
        Self {
            registry,
            client,
            transports: Transports::new(),
            refuse_by: RefuseBy::All,
            faults: Vec::new(),
        }
    }

    /// Makes transports with these, those of the client ([`Client::transports`](crate::upstream::Client::transports)),
    /// so that connections survive a build. Default: new ones.
    #[must_use]
    pub fn transports(mut self, transports: Transports) -> Self {
        self.transports = transports;
        self
    }

    /// What one error takes down with it. Default: everything.
    #[must_use]
    pub fn refuse_by(mut self, refuse_by: RefuseBy) -> Self {
        self.refuse_by = refuse_by;
        self
    }

    /// What is known to be wrong before anything is built, as with a listener whose address is taken by
    /// another program.
    #[must_use]
    pub fn faults(mut self, faults: Vec<(ObjectId, ConfigError)>) -> Self {
        self.faults = faults;
        self
    }

    /// Builds a snapshot. What would be built of the same parts as in `previous` is not built anew: it is the
    /// same service, with all its state. What is refused keeps its last good build of `previous`; a route that has none
    /// answers 500 with the code `route_broken`.
    ///
    /// # Errors
    ///
    /// When anything is wrong and errors take everything down.
    pub fn build(
        &self,
        loaded: &Loaded,
        previous: &Snapshot,
    ) -> Result<(Snapshot, Report), Refusal> {
        let mut report = Report::new();
        join::note_unread(loaded, &mut report);
        settings::check(loaded, &mut report);
        for (id, error) in &self.faults {
            report.refuse(id.clone(), error.clone());
        }
        let services = Services::new(
            self.registry,
            self.client.clone(),
            &self.transports,
            join::backends(loaded, &mut report),
            previous,
        );
        self.backends(loaded, &services, &mut report);
        let unsure = join::Unsure(loaded);
        let mut listeners = join::listeners(loaded, previous, &mut report);
        join::keep_missing_listeners(previous, &unsure, &mut listeners);
        let closed = self.check_listeners(&mut listeners, previous, &services, &mut report);
        let reach = Reach::new(&listeners, &closed, previous);
        let mut routes = BTreeMap::new();
        for project in &loaded.projects {
            for (order, route) in project.config.routes.iter().enumerate() {
                let id = project.config.id(Kind::Route, &route.identity());
                report.seen(id.clone());
                let built = self.route(&id, route, &reach, &services);
                let built = built.map_err(|e| report.refuse(id.clone(), e)).ok();
                routes.insert(id, (order, route, built));
            }
        }
        for (owner, warning) in services.take_warnings() {
            report.warn(owner, warning);
        }
        if self.refuse_by == RefuseBy::All && !report.is_ok() {
            return Err(Refusal { report });
        }
        let down = self.projects_down(&report, &services);
        let mut kept = BTreeMap::new();
        for (id, (order, route, built)) in routes {
            let built = built.filter(|_| !down.contains(&id.project));
            let built = built
                .map(Arc::new)
                .or_else(|| previous.routes.get(&id).cloned());
            let built = built.unwrap_or_else(|| Arc::new(broken(&id, route, &listeners)));
            kept.insert(id, (order, built));
        }
        listeners.retain(|id, _| !closed.contains(id));
        let is_down = |id: &ObjectId| down.contains(&id.project);
        join::keep_listeners(previous, &mut listeners, is_down);
        join::keep_routes(previous, &down, &unsure, &mut kept);
        let mut backends = services.into_made();
        let is_missed = |id: &ObjectId| unsure.may_hold(id) || join::is_refused(id, &report);
        join::keep_backends(previous, &mut backends, is_down, is_missed);
        let settings = Settings::read(loaded, previous, &report, &down, &unsure);
        let carried = (previous.stores.clone(), previous.current.clone());
        let snapshot = Snapshot::assemble(listeners, kept, backends, settings, carried);
        Ok((snapshot, report))
    }

    fn backends(&self, loaded: &Loaded, services: &Services<'_>, report: &mut Report) {
        for project in &loaded.projects {
            for backend in &project.config.backends {
                let id = project.config.id(Kind::Backend, &backend.name);
                report.seen(id.clone());
                if let Some(Err(e)) = services.get(&id) {
                    report.refuse(id, e);
                }
            }
        }
    }

    /// Refuses the listeners whose policies or settings are wrong, or of which a fault is known. What they were in the
    /// last build stands in for them; those that have not been there are returned: they stay closed.
    fn check_listeners(
        &self,
        listeners: &mut BTreeMap<ObjectId, Listener>,
        previous: &Snapshot,
        services: &Services<'_>,
        report: &mut Report,
    ) -> BTreeSet<ObjectId> {
        let mut closed = BTreeSet::new();
        for (id, listener) in listeners {
            // Calls of any protocol come in here; of those there are, this one takes all policies.
            let policies = Chain::<Llm>::build(services, &[scope(id, listener)]);
            match policies.and_then(|_| listener::check(listener)) {
                Err(wrong) => report.refuse(id.clone(), wrong),
                Ok(warnings) => {
                    for warning in warnings {
                        report.warn(id.clone(), warning);
                    }
                    if self.faults.iter().all(|(faulty, _)| faulty != id) {
                        continue;
                    }
                }
            }
            match previous.listeners.get(id) {
                Some(last) => *listener = last.clone(),
                None => {
                    closed.insert(id.clone());
                }
            }
        }
        closed
    }

    /// The projects an error of their own takes down.
    fn projects_down(&self, report: &Report, services: &Services<'_>) -> BTreeSet<Arc<str>> {
        if self.refuse_by != RefuseBy::Project {
            return BTreeSet::new();
        }
        let own = report.errors().filter(|(id, _)| !services.is_blameless(id));
        own.map(|(id, _)| id.project.clone()).collect()
    }

    fn route(
        &self,
        id: &ObjectId,
        route: &config::Route,
        reach: &Reach<'_>,
        services: &Services<'_>,
    ) -> Result<Route, ConfigError> {
        let mut matches = Vec::with_capacity(route.matches.len());
        for (index, wanted) in route.matches.iter().enumerate() {
            let at = route.at.key("match");
            let at = if route.matches.len() == 1 {
                at
            } else {
                at.index(index)
            };
            matches.push(matching::read(wanted, &at)?);
        }
        let (backend, mut needs) =
            services.noting(|| services.of_route(id, &route.backend, &route.at.key("backend")));
        let backend = backend?;
        let own = Gather::default().policies(&route.policies);
        let own = needs.iter().fold(own, |all, id| {
            all.bytes(id.project.as_bytes()).bytes(id.name.as_bytes())
        });
        let own = own.finish();
        let reached = join::listeners_of(id, route, reach.listeners)?;
        let at = route_scope(id, route);
        if reached.is_empty() {
            // Nobody reaches it, and still it must be right.
            self.service(&[at], route, &backend, services)?;
        }
        let mut on = Vec::with_capacity(reached.len());
        for listener in reached.into_iter().filter(|l| !reach.closed.contains(l)) {
            let outside = scope(listener, &reach.listeners[listener]);
            let digest = Gather::default()
                .digest(own)
                .digest(reach.digests[listener]);
            let digest = digest.finish();
            if let Some(last) = reach.kept(id, listener, digest, services) {
                on.push((listener.clone(), last));
                continue;
            }
            let (service, further) =
                services.noting(|| self.service(&[outside, at], route, &backend, services));
            needs.extend(further);
            let served = Served {
                id: id.clone(),
                service: service?,
                broken: None,
                made: Some(Basis {
                    digest,
                    needs: needs.clone(),
                }),
            };
            on.push((listener.clone(), Arc::new(served)));
        }
        Ok(Route { matches, on })
    }

    /// The policies around the backend, with the decoding its protocol needs.
    fn service(
        &self,
        scopes: &[Scope<'_>],
        route: &config::Route,
        backend: &AnyService,
        services: &Services<'_>,
    ) -> Result<ArcService<Http>, ConfigError> {
        if let Some(http) = backend.typed::<Http>() {
            let chain = Chain::<Http>::build(services, scopes)?;
            return Ok(ArcLayer::stack(&chain.http, http));
        }
        let Some(llm) = backend.typed::<Llm>() else {
            let protocol = backend.protocol();
            let what = format!("a route cannot lead to a backend that speaks {protocol}");
            return Err(ConfigError::new(route.at.key("backend"), what));
        };
        let chain = Chain::<Llm>::build(services, scopes)?;
        let codec =
            LlmCodec::new(services.registry().dialects().to_vec()).unpack(Arc::new(Unpacker));
        let decode = DecodeLayer::<Llm, _>::new(Arc::new(codec));
        let decoded = decode.layer(ArcLayer::stack(&chain.typed, llm));
        Ok(ArcLayer::stack(&chain.http, ArcService::new(decoded)))
    }
}

/// The listeners a build reaches its routes through, and what was on them in the last one.
struct Reach<'a> {
    listeners: &'a BTreeMap<ObjectId, Listener>,
    /// Those nobody comes in by.
    closed: &'a BTreeSet<ObjectId>,
    digests: BTreeMap<&'a ObjectId, Digest>,
    previous: &'a Snapshot,
}

impl<'a> Reach<'a> {
    fn new(
        listeners: &'a BTreeMap<ObjectId, Listener>,
        closed: &'a BTreeSet<ObjectId>,
        previous: &'a Snapshot,
    ) -> Self {
        let digest = |listener: &Listener| Gather::default().policies(&listener.policies).finish();
        Self {
            listeners,
            closed,
            digests: listeners.iter().map(|(id, l)| (id, digest(l))).collect(),
            previous,
        }
    }

    /// The route as it was on this listener, if it would be built of the same again.
    fn kept(
        &self,
        route: &ObjectId,
        listener: &ObjectId,
        digest: Digest,
        services: &Services<'_>,
    ) -> Option<Arc<Served>> {
        let mut on = self.previous.routes.get(route)?.on.iter();
        let (_, served) = on.find(|(id, _)| id == listener)?;
        let made = served.made.as_ref()?;
        (made.digest == digest && services.are_kept(&made.needs)).then(|| served.clone())
    }
}

fn route_scope<'a>(id: &'a ObjectId, route: &'a config::Route) -> Scope<'a> {
    Scope {
        level: Level::Route,
        owner: id,
        policies: &route.policies,
    }
}

fn scope<'a>(id: &'a ObjectId, listener: &'a Listener) -> Scope<'a> {
    Scope {
        level: Level::Listener,
        owner: id,
        policies: &listener.policies,
    }
}

/// What stands in for a route that was refused and never served before: it matches as the refused one
/// would, so that its calls do not fall through to another, and says that it is broken.
fn broken(id: &ObjectId, route: &config::Route, listeners: &BTreeMap<ObjectId, Listener>) -> Route {
    let read = |wanted: &config::RouteMatch| matching::read(wanted, &route.at).ok();
    let service = ArcService::<Http>::from_fn(|_| async {
        Err(Error::new(&codes::ROUTE_BROKEN, codes::ROUTE_BROKEN.about))
    });
    let served = Arc::new(Served {
        id: id.clone(),
        service,
        broken: Some("its configuration was refused".into()),
        made: None,
    });
    let on = join::listeners_of(id, route, listeners).unwrap_or_default();
    Route {
        matches: route.matches.iter().filter_map(read).collect(),
        on: on
            .into_iter()
            .map(|listener| (listener.clone(), served.clone()))
            .collect(),
    }
}
