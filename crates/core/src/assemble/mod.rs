//! From configuration to services: policies, backends, the names they have, and how they are put together.
//!
//! A [`Policy`] makes layers, a [`Backend`] makes services; a [`Registry`] knows both by name. The builder
//! of a snapshot gives each a [`BuildContext`], and merges the policies of all levels into a [`Chain`].

mod backend;
mod chain;
mod context;
mod policy;
mod registry;

pub use backend::Backend;
pub use chain::{Chain, Placed, Scope};
pub use context::{AnyService, Build, BuildContext};
pub use policy::{Level, Merge, Policy, PolicyKind};
pub use registry::{RegisteredBackend, RegisteredPolicy, Registry};
