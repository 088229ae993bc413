//! The backends of a build, made once each, on first use, or taken over from the last build.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::assemble::{AnyService, Build, BuildContext, Registry, Stores};
use portcullis_core::config::{
    self, Backend, BackendRef, ConfigError, Kind, ObjectId, Pointer, nearest,
};
use portcullis_core::context::Prices;
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::Transport;

use super::Snapshot;
use super::digest::{Digest, Gather};
use crate::upstream::Transports;

/// A backend that was built, and of what.
pub(super) struct Made {
    pub(super) digest: Digest,
    /// The backends it refers to.
    needs: BTreeSet<ObjectId>,
    service: AnyService,
}

/// The backends of every project.
pub(super) struct Services<'a> {
    registry: &'a Registry,
    client: ArcService<Http>,
    transports: &'a Transports,
    backends: BTreeMap<ObjectId, &'a Backend>,
    previous: &'a Snapshot,
    built: RefCell<BTreeMap<ObjectId, State>>,
    /// Objects refused for nothing of their own project: they need what another's refused.
    blameless: RefCell<BTreeSet<ObjectId>>,
    warnings: RefCell<Vec<(ObjectId, ConfigError)>>,
    /// What is referred to, by everything that is being built now, the innermost last.
    needs: RefCell<Vec<BTreeSet<ObjectId>>>,
}

/// How far a backend has come.
#[derive(Clone)]
enum State {
    /// It is being built: to need it now is a circle.
    Begun,
    Built(Arc<Made>),
    Refused(ConfigError),
}

impl<'a> Services<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        client: ArcService<Http>,
        transports: &'a Transports,
        backends: BTreeMap<ObjectId, &'a Backend>,
        previous: &'a Snapshot,
    ) -> Self {
        Self {
            registry,
            client,
            transports,
            backends,
            previous,
            built: RefCell::default(),
            blameless: RefCell::default(),
            warnings: RefCell::default(),
            needs: RefCell::default(),
        }
    }

    /// What was warned of so far.
    pub(super) fn take_warnings(&self) -> Vec<(ObjectId, ConfigError)> {
        self.warnings.take()
    }

    /// The backend a route of `route` refers to at `at`.
    pub(super) fn of_route(
        &self,
        route: &ObjectId,
        wanted: &BackendRef,
        at: &Pointer,
    ) -> Result<AnyService, ConfigError> {
        match wanted {
            BackendRef::Named {
                project: None,
                name,
            } => self.named(route, name, at),
            BackendRef::Named {
                project: Some(project),
                name,
            } => self.named(route, &format!("{project}/{name}"), at),
            BackendRef::Inline(backend) => {
                let id = ObjectId::new(route.project.clone(), Kind::Backend, backend.name.as_str());
                self.note(&id);
                let made = self.once(&id, backend);
                if made.is_err() && self.is_blameless(&id) {
                    self.blameless.borrow_mut().insert(route.clone());
                }
                made
            }
        }
    }

    /// Whether an object that was refused only needs what another project's fault took from it.
    pub(super) fn is_blameless(&self, id: &ObjectId) -> bool {
        self.blameless.borrow().contains(id)
    }

    /// What was built, for the next build to take over.
    pub(super) fn into_made(self) -> BTreeMap<ObjectId, Arc<Made>> {
        let built = self.built.into_inner().into_iter();
        let made = built.filter_map(|(id, state)| match state {
            State::Built(made) => Some((id, made)),
            State::Begun | State::Refused(_) => None,
        });
        made.collect()
    }

    /// Runs `build`, and says which backends it referred to.
    pub(super) fn noting<T>(&self, build: impl FnOnce() -> T) -> (T, BTreeSet<ObjectId>) {
        self.needs.borrow_mut().push(BTreeSet::new());
        let built = build();
        let needs = self.needs.borrow_mut().pop();
        (
            built,
            needs.expect("pushed above, and popped by nobody else"),
        )
    }

    /// Whether all of these are what they were in the last build.
    pub(super) fn are_kept(&self, needs: &BTreeSet<ObjectId>) -> bool {
        needs.iter().all(|id| {
            self.get(id);
            match (self.state(id), self.previous.backends.get(id)) {
                (Some(State::Built(now)), Some(last)) => Arc::ptr_eq(&now, last),
                _ => false,
            }
        })
    }

    /// Builds a backend, or returns what came of it before.
    pub(super) fn get(&self, id: &ObjectId) -> Option<Result<AnyService, ConfigError>> {
        Some(self.once(id, self.backends.get(id)?))
    }

    fn once(&self, id: &ObjectId, backend: &Backend) -> Result<AnyService, ConfigError> {
        match self.state(id) {
            Some(State::Built(made)) => return Ok(made.service.clone()),
            Some(State::Refused(e)) => return Err(e),
            Some(State::Begun) => {
                let what = "backends refer to each other in a circle";
                return Err(ConfigError::new(backend.at.key("name"), what));
            }
            None => self.set(id, State::Begun),
        }
        let made = self.kept_or_made(id, backend);
        let state = match &made {
            Ok(made) => State::Built(made.clone()),
            Err(e) => State::Refused(e.clone()),
        };
        self.set(id, state);
        made.map(|made| made.service.clone())
    }

    /// The backend of the last build, if this one would be the same and all it refers to is.
    fn kept_or_made(&self, id: &ObjectId, backend: &Backend) -> Result<Arc<Made>, ConfigError> {
        let digest = Gather::default().backend(backend).finish();
        let last = self.previous.backends.get(id);
        if let Some(last) = last.filter(|last| last.digest == digest && self.are_kept(&last.needs))
        {
            return Ok(last.clone());
        }
        let (service, needs) = self.noting(|| self.make(id, backend));
        Ok(Arc::new(Made {
            digest,
            needs,
            service: service?,
        }))
    }

    fn note(&self, id: &ObjectId) {
        if let Some(needs) = self.needs.borrow_mut().last_mut() {
            needs.insert(id.clone());
        }
    }

    fn make(&self, id: &ObjectId, backend: &Backend) -> Result<AnyService, ConfigError> {
        let Some(kind) = self.registry.get_backend(&backend.kind) else {
            let unknown = format!("unknown kind of backend `{}`", backend.kind);
            let unknown = ConfigError::new(backend.body_at(), unknown).on_key();
            return Err(
                match nearest(&backend.kind, self.registry.backends().map(|(n, _)| n)) {
                    Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                    None => unknown,
                },
            );
        };
        let cx = BuildContext::new(self, id, backend.body_at(), &backend.policies);
        kind.build(&backend.body, &cx)
    }

    fn named(&self, from: &ObjectId, name: &str, at: &Pointer) -> Result<AnyService, ConfigError> {
        self.resolve(from, name).map_err(|e| e.under(at))
    }

    fn state(&self, id: &ObjectId) -> Option<State> {
        self.built.borrow().get(id).cloned()
    }

    fn set(&self, id: &ObjectId, state: State) {
        self.built.borrow_mut().insert(id.clone(), state);
    }

    fn unknown(&self, from: &ObjectId, name: &str) -> ConfigError {
        let ours = self
            .backends
            .keys()
            .filter(|id| id.project == from.project)
            .map(|id| &*id.name);
        let unknown = ConfigError::new(Pointer::root(), format!("there is no backend `{name}`"));
        match nearest(name, ours) {
            Some(near) => unknown.hint(format!("did you mean `{near}`?")),
            None => unknown,
        }
    }
}

impl Build for Services<'_> {
    fn registry(&self) -> &Registry {
        self.registry
    }

    fn client(&self) -> ArcService<Http> {
        self.client.clone()
    }

    fn transport(&self, wanted: &config::Transport) -> Result<Transport, ConfigError> {
        self.transports.make(wanted)
    }

    fn prices(&self) -> Option<Arc<dyn Prices>> {
        Some(self.previous.current.clone())
    }

    fn stores(&self) -> Option<&Stores> {
        Some(&self.previous.stores)
    }

    fn warn(&self, owner: &ObjectId, warning: ConfigError) {
        self.warnings.borrow_mut().push((owner.clone(), warning));
    }

    fn resolve(&self, from: &ObjectId, name: &str) -> Result<AnyService, ConfigError> {
        let (project, bare) = name.split_once('/').unwrap_or((&from.project, name));
        let id = ObjectId::new(project, Kind::Backend, bare);
        let foreign = *id.project != *from.project;
        let Some(backend) = self.backends.get(&id).filter(|b| !foreign || b.export) else {
            let unknown = self.unknown(from, name);
            return Err(if foreign {
                unknown.hint("a backend of another project must have `export: true`")
            } else {
                unknown
            });
        };
        self.note(&id);
        let found = self.get(&id).expect("looked up above");
        found.map_err(|e| match self.state(&id) {
            Some(State::Begun) => ConfigError::new(
                Pointer::root(),
                format!("`{name}` refers back to this backend: a circle"),
            ),
            _ => {
                if foreign || self.is_blameless(&id) {
                    self.blameless.borrow_mut().insert(from.clone());
                }
                let what = format!("backend `{}` was refused: {}", backend.name, e.what);
                ConfigError::new(Pointer::root(), what)
            }
        })
    }
}
