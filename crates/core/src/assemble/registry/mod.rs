//! The names a configuration may use, and what they stand for. A value that is passed, never a global.

mod erased;

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{AnyService, Backend, BuildContext, Level, Merge, Policy, PolicyKind};
use crate::config::{ConfigError, Pointer, decode};
use crate::llm::Dialect;
use crate::protocol::Protocol;

pub(in crate::assemble) use erased::AnyPolicy;

/// Policies, backends and dialects by name, and typed slots for what other crates register.
///
/// # Panics
///
/// Registering a second policy, backend or dialect of one name for one protocol panics: it is a mistake in
/// the program, found at its start.
#[derive(Default)]
pub struct Registry {
    policies: BTreeMap<&'static str, RegisteredPolicy>,
    backends: BTreeMap<&'static str, RegisteredBackend>,
    dialects: Vec<Arc<dyn Dialect>>,
    slots: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
}

/// A policy as registered, whatever its protocols.
pub struct RegisteredPolicy {
    pub(in crate::assemble) name: &'static str,
    /// What happens when it stands on two levels.
    pub merge: Merge,
    /// Where it can stand.
    pub levels: &'static [Level],
    is_typed: fn(&Value) -> bool,
    schema: fn(&mut SchemaGenerator) -> Schema,
    kinds: BTreeMap<&'static str, Box<dyn Any + Send + Sync>>,
}

/// A backend as registered.
pub struct RegisteredBackend {
    /// The protocol it speaks.
    pub protocol: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    build: Box<BuildBackend>,
}

type BuildBackend =
    dyn Fn(&Value, &BuildContext<'_>) -> Result<AnyService, ConfigError> + Send + Sync;

impl Registry {
    /// A registry without anything in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a policy for protocol `P`. One that works on several protocols is registered for each.
    pub fn policy<P: Protocol, K: Policy<P>>(&mut self, kind: K) -> &mut Self {
        let entry = self
            .policies
            .entry(K::NAME)
            .or_insert_with(|| RegisteredPolicy {
                name: K::NAME,
                merge: K::MERGE,
                levels: K::LEVELS,
                is_typed: |body| {
                    decode::<K::Config>(body, &Pointer::root())
                        .is_ok_and(|config| K::is_typed(&config))
                },
                schema: schema_of::<<K as PolicyKind>::Config>,
                kinds: BTreeMap::new(),
            });
        let erased: Arc<dyn AnyPolicy<P>> = Arc::new(kind);
        let before = entry.kinds.insert(P::NAME, Box::new(erased));
        assert!(
            before.is_none(),
            "policy `{}` is registered twice for {}",
            K::NAME,
            P::NAME
        );
        self
    }

    /// Registers a kind of backend.
    pub fn backend<P: Protocol, B: Backend<P>>(&mut self, kind: B) -> &mut Self {
        let build = move |body: &Value, cx: &BuildContext<'_>| {
            kind.service(decode(body, cx.at())?, cx)
                .map(AnyService::new)
        };
        let entry = RegisteredBackend {
            protocol: P::NAME,
            schema: schema_of::<B::Config>,
            build: Box::new(build),
        };
        let before = self.backends.insert(B::NAME, entry);
        assert!(
            before.is_none(),
            "backend `{}` is registered twice",
            B::NAME
        );
        self
    }

    /// Registers a dialect. Those registered first are asked first whether a call is theirs.
    pub fn dialect(&mut self, dialect: Arc<dyn Dialect>) -> &mut Self {
        let twice = self.dialects.iter().any(|d| d.name() == dialect.name());
        assert!(!twice, "dialect `{}` is registered twice", dialect.name());
        self.dialects.push(dialect);
        self
    }

    /// The dialects, in the order they are asked.
    pub fn dialects(&self) -> &[Arc<dyn Dialect>] {
        &self.dialects
    }

    /// What another crate keeps here under its own type; made empty on first use.
    pub fn slot_mut<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        self.slots
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()))
            .downcast_mut()
            .expect("a slot holds the type it is filed under")
    }

    /// What another crate keeps here under its own type.
    pub fn slot<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.slots.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The policies by name.
    pub fn policies(&self) -> impl Iterator<Item = (&'static str, &RegisteredPolicy)> {
        self.policies.iter().map(|(name, policy)| (*name, policy))
    }

    /// The backends by name.
    pub fn backends(&self) -> impl Iterator<Item = (&'static str, &RegisteredBackend)> {
        self.backends.iter().map(|(name, backend)| (*name, backend))
    }

    /// One policy.
    pub fn get_policy(&self, name: &str) -> Option<&RegisteredPolicy> {
        self.policies.get(name)
    }

    /// One backend.
    pub fn get_backend(&self, name: &str) -> Option<&RegisteredBackend> {
        self.backends.get(name)
    }
}

impl RegisteredPolicy {
    /// The schema of its configuration.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Whether it must see the decoded call to do what this body asks.
    pub fn is_typed(&self, body: &Value) -> bool {
        (self.is_typed)(body)
    }

    /// Whether it works on protocol `P`.
    pub fn speaks(&self, protocol: &str) -> bool {
        self.kinds.contains_key(protocol)
    }

    pub(in crate::assemble) fn for_protocol<P: Protocol>(&self) -> Option<&Arc<dyn AnyPolicy<P>>> {
        self.kinds.get(P::NAME)?.downcast_ref()
    }
}

impl RegisteredBackend {
    /// The schema of its configuration.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Makes the service of a backend of this kind.
    ///
    /// # Errors
    ///
    /// When its body is not what this kind takes.
    pub fn build(&self, body: &Value, cx: &BuildContext<'_>) -> Result<AnyService, ConfigError> {
        (self.build)(body, cx)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("policies", &self.policies.keys())
            .field("backends", &self.backends.keys())
            .field("dialects", &self.dialects)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisteredPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredPolicy")
            .field("protocols", &self.kinds.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisteredBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredBackend")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
