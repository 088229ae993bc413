//! From configuration to services: policies, backends, the names they have, and how they are put together.
//!
//! A [`Policy`] makes layers, a [`Backend`] makes services; a [`Registry`] knows both by name. The builder
//! of a snapshot gives each a [`BuildContext`], and merges the policies of all levels into a [`Chain`].

mod backend;
mod chain;
#[cfg(feature = "cel")]
mod conditional;
mod context;
mod entry;
mod policy;
mod registry;
mod stores;

pub use backend::Backend;
pub use chain::{Chain, Placed, Scope};
pub use context::{AnyService, Build, BuildContext};
pub use policy::{Level, Merge, Policy, PolicyKind};
pub use registry::{RegisteredBackend, RegisteredPolicy, Registry};
pub use stores::Stores;
