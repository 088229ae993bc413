//! What a policy or a backend is given while it is built.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Chain, Level, Registry, Scope, Stores};
use crate::config::{self, ConfigError, ObjectId, Pointer, PolicyEntry};
use crate::context::Prices;
use crate::protocol::{ArcLayer, ArcService, Encode, EncodeLayer, Http, Protocol};
use crate::upstream::Transport;

#[cfg(feature = "cel")]
use super::entry::ALTERNATIVES;

/// What the builder of a snapshot offers to what it builds.
pub trait Build {
    /// The names in use.
    fn registry(&self) -> &Registry;

    /// The client that reaches upstreams. Requests to it carry an absolute URI.
    fn client(&self) -> ArcService<Http>;

    /// How the client is told to reach an endpoint. Places in the error are relative to `wanted`.
    ///
    /// # Errors
    ///
    /// When what is wanted makes no sense, or the client reaches every upstream in a way of its own.
    fn transport(&self, wanted: &config::Transport) -> Result<Transport, ConfigError> {
        let _ = wanted;
        let what = "how upstreams are reached is not for the configuration to say here";
        Err(ConfigError::new(Pointer::root(), what))
    }

    /// What models cost, now and after the prices have changed. Default: nobody knows.
    fn prices(&self) -> Option<Arc<dyn Prices>> {
        None
    }

    /// State that outlives this build. Default: none does.
    fn stores(&self) -> Option<&Stores> {
        None
    }

    /// Notes what does not stop the build of `owner`'s object, but was hardly meant. Default: goes unheard.
    fn warn(&self, owner: &ObjectId, warning: ConfigError) {
        let _ = (owner, warning);
    }

    /// The service of another backend, named from `from`.
    ///
    /// # Errors
    ///
    /// Says in one phrase why there is none: unknown, not exported, refused, or in a circle.
    fn resolve(&self, from: &ObjectId, name: &str) -> Result<AnyService, ConfigError>;
}

/// A service of some protocol. Cloning counts a reference.
#[derive(Clone)]
pub struct AnyService {
    protocol: &'static str,
    service: Arc<dyn Any + Send + Sync>,
}

impl AnyService {
    /// Forgets which protocol a service speaks.
    pub fn new<P: Protocol>(service: ArcService<P>) -> Self {
        Self {
            protocol: P::NAME,
            service: Arc::new(service),
        }
    }

    /// The protocol it speaks.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// The service, if it speaks `P`.
    pub fn typed<P: Protocol>(&self) -> Option<ArcService<P>> {
        self.service.downcast_ref::<ArcService<P>>().cloned()
    }
}

impl fmt::Debug for AnyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyService({})", self.protocol)
    }
}

/// What a policy or a backend knows while it is built: whose it is, where it stands in the configuration,
/// and how to reach what it names.
pub struct BuildContext<'a> {
    build: &'a dyn Build,
    owner: &'a ObjectId,
    at: Pointer,
    policies: &'a [PolicyEntry],
    /// The policy being built, by its name and id, and the alternative.
    state: String,
}

impl<'a> BuildContext<'a> {
    /// For something of `owner`'s whose body stands at `at`. `policies` are those of the backend.
    pub fn new(
        build: &'a dyn Build,
        owner: &'a ObjectId,
        at: Pointer,
        policies: &'a [PolicyEntry],
    ) -> Self {
        Self {
            build,
            owner,
            at,
            policies,
            state: String::new(),
        }
    }

    /// For a part of the body, at `place` of it.
    #[must_use]
    pub fn inside(&self, place: &Pointer) -> Self {
        Self {
            at: self.at.join(place),
            state: self.state.clone(),
            ..*self
        }
    }

    /// For a policy of the same owner, whose state is known by `state`.
    pub(super) fn of_policy(&self, state: String) -> Self {
        Self {
            at: self.at.clone(),
            state,
            ..*self
        }
    }

    /// For one of the alternatives of a policy.
    #[cfg(feature = "cel")]
    pub(super) fn of_alternative(&self, index: usize, at: Pointer) -> Self {
        let state = format!("{} {ALTERNATIVES} {index}", self.state);
        Self { at, state, ..*self }
    }

    /// State that outlives a change of configuration: what was made last under the same owner, policy, `id` and
    /// `what`, if it is of this type and still in use, else a new one. On several levels and routes one policy
    /// has one state.
    pub fn state<T: Send + Sync + 'static>(&self, what: &str, make: impl FnOnce() -> T) -> Arc<T> {
        match self.build.stores() {
            Some(stores) => {
                let identity = format!("{}\n{}\n{what}", self.owner, self.state);
                stores.state(&identity, make)
            }
            None => Arc::new(make()),
        }
    }

    /// The object it belongs to.
    pub fn owner(&self) -> &ObjectId {
        self.owner
    }

    /// Where its body stands.
    pub fn at(&self) -> &Pointer {
        &self.at
    }

    /// The names in use.
    pub fn registry(&self) -> &Registry {
        self.build.registry()
    }

    /// The client, for what a policy has to fetch by itself, as the keys of an issuer. Requests carry an absolute
    /// URI and no credential; upstreams are reached by [`endpoint`](Self::endpoint).
    pub fn client(&self) -> ArcService<Http> {
        self.build.client()
    }

    /// What models cost, if there is a list of prices.
    pub fn prices(&self) -> Option<Arc<dyn Prices>> {
        self.build.prices()
    }

    /// An error at `place`, a pointer relative to the body.
    pub fn error(&self, place: &Pointer, what: impl Into<Box<str>>) -> ConfigError {
        ConfigError::new(self.at.join(place), what)
    }

    /// The service of another backend, named at `place` of the body.
    ///
    /// # Errors
    ///
    /// When there is no such backend, it may not be referred to from here, it was refused itself, or it
    /// does not speak `P`.
    pub fn backend<P: Protocol>(
        &self,
        name: &str,
        place: &Pointer,
    ) -> Result<ArcService<P>, ConfigError> {
        let mut found = self.build.resolve(self.owner, name);
        if let Err(e) = &mut found {
            e.at = self.at.join(place);
        }
        let found = found?;
        found.typed().ok_or_else(|| {
            let what = format!(
                "backend `{name}` speaks {}, not {}",
                found.protocol(),
                P::NAME
            );
            self.error(place, what)
        })
    }

    /// How the client is told to reach an endpoint, as written at `place` of the body. For the extensions of
    /// the requests, where [`Origin::with_transport`](crate::upstream::Origin::with_transport) puts it.
    ///
    /// # Errors
    ///
    /// When what is wanted makes no sense: a certificate that is none, a key of another certificate, a
    /// proxy to a unix socket.
    pub fn transport(
        &self,
        wanted: &config::Transport,
        place: &Pointer,
    ) -> Result<Transport, ConfigError> {
        let at = self.at.join(place);
        let made = self.build.transport(wanted);
        for unsafe_at in wanted.unverified() {
            let what =
                "the upstream's certificate is not verified: whoever sits between reads every call";
            let warning = ConfigError::new(at.join(&unsafe_at), what);
            self.build.warn(self.owner, warning);
        }
        made.map_err(|e| e.under(&at))
    }

    /// The service of one endpoint, the only way to an upstream: typed policies, over `encode`, over HTTP
    /// policies, over the client. The policies are the backend's, and `own`, the endpoint's own, which
    /// are the `policies` of what stands at `place` of the body and replace the backend's of one name.
    ///
    /// # Errors
    ///
    /// When one of the policies cannot be built.
    pub fn endpoint<P: Protocol, E: Encode<P>>(
        &self,
        own: &[PolicyEntry],
        place: &Pointer,
        encode: Arc<E>,
    ) -> Result<ArcService<P>, ConfigError> {
        let chain = self.chain::<P>(own, place)?;
        let client = ArcLayer::stack(&chain.http, self.build.client());
        let encoded = ArcService::new(tower_layer::Layer::layer(&EncodeLayer::new(encode), client));
        Ok(ArcLayer::stack(&chain.typed, encoded))
    }

    /// The same for an endpoint that is sent plain HTTP: its policies over the client.
    ///
    /// # Errors
    ///
    /// When one of the policies cannot be built.
    pub fn http_endpoint(
        &self,
        own: &[PolicyEntry],
        place: &Pointer,
    ) -> Result<ArcService<Http>, ConfigError> {
        let chain = self.chain::<Http>(own, place)?;
        Ok(ArcLayer::stack(&chain.http, self.build.client()))
    }

    /// The policies of one endpoint, the backend's and its own.
    fn chain<P: Protocol>(
        &self,
        own: &[PolicyEntry],
        place: &Pointer,
    ) -> Result<Chain<P>, ConfigError> {
        let at = self.at.join(place);
        let mut own = own.to_vec();
        PolicyEntry::place(&mut own, &at);
        let scopes = [
            Scope {
                level: Level::Backend,
                owner: self.owner,
                policies: self.policies,
            },
            Scope {
                level: Level::Endpoint,
                owner: self.owner,
                policies: &own,
            },
        ];
        Chain::build(self.build, &scopes)
    }

    /// A service that answers without any upstream, inside the backend's policies.
    ///
    /// # Errors
    ///
    /// When one of the policies cannot be built, or works on HTTP requests, of which there are none here.
    pub fn local<P: Protocol>(&self, service: ArcService<P>) -> Result<ArcService<P>, ConfigError> {
        let scope = Scope {
            level: Level::Backend,
            owner: self.owner,
            policies: self.policies,
        };
        let layers = Chain::<P>::local(self.build, scope)?;
        Ok(ArcLayer::stack(&layers, service))
    }
}

impl fmt::Debug for BuildContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildContext")
            .field("owner", &self.owner)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
