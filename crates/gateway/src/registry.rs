//! Everything this build of the gateway knows by name.

use portcullis_core::assemble::Registry;
use portcullis_core::protocol::Http;

use crate::backend::DirectResponseBackend;

/// A registry of all policies, dialects, vendors and backends of the crates this one was built with. Add
/// your own before handing it to [`GatewayBuilder::registry`](crate::GatewayBuilder::registry).
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    portcullis_providers::register(&mut registry);
    portcullis_policies::register(&mut registry);
    registry.backend::<Http, _>(DirectResponseBackend);
    registry
}
