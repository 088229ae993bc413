//! The backends of a build, made once each, on first use.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::assemble::{AnyService, Build, BuildContext, Registry};
use portcullis_core::config::{
    self, Backend, BackendRef, ConfigError, Kind, ObjectId, Pointer, nearest,
};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::Transport;

use crate::upstream::Transports;

/// The backends of every project.
pub(super) struct Services<'a> {
    registry: &'a Registry,
    client: ArcService<Http>,
    transports: &'a Transports,
    backends: BTreeMap<ObjectId, &'a Backend>,
    built: RefCell<BTreeMap<ObjectId, State>>,
    /// Objects refused for nothing of their own project: they need what another's refused.
    blameless: RefCell<BTreeSet<ObjectId>>,
    warnings: RefCell<Vec<(ObjectId, ConfigError)>>,
}

/// How far a backend has come.
#[derive(Clone)]
enum State {
    /// It is being built: to need it now is a circle.
    Begun,
    Built(AnyService),
    Refused(ConfigError),
}

impl<'a> Services<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        client: ArcService<Http>,
        transports: &'a Transports,
        backends: BTreeMap<ObjectId, &'a Backend>,
    ) -> Self {
        Self {
            registry,
            client,
            transports,
            backends,
            built: RefCell::default(),
            blameless: RefCell::default(),
            warnings: RefCell::default(),
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
                let made = self.make(&id, backend);
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

    /// Builds a backend, or returns what came of it before.
    pub(super) fn get(&self, id: &ObjectId) -> Option<Result<AnyService, ConfigError>> {
        let backend = self.backends.get(id)?;
        Some(match self.state(id) {
            Some(State::Built(service)) => Ok(service),
            Some(State::Refused(e)) => Err(e),
            Some(State::Begun) => Err(ConfigError::new(
                backend.at.key("name"),
                "backends refer to each other in a circle",
            )),
            None => {
                self.set(id, State::Begun);
                let made = self.make(id, backend);
                self.set(
                    id,
                    match &made {
                        Ok(service) => State::Built(service.clone()),
                        Err(e) => State::Refused(e.clone()),
                    },
                );
                made
            }
        })
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
