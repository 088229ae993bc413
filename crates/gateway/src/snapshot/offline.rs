//! Before the request line: a configuration built to look at, not to serve.

use portcullis_core::assemble::Registry;
use portcullis_core::config::{Loaded, Report};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::ArcService;

use super::{Builder, RefuseBy, Snapshot};

/// Builds everything as a gateway would, opens nothing, and says what is wrong with each object.
pub fn validate(registry: &Registry, loaded: &Loaded) -> Report {
    build(registry, loaded).1
}

/// A snapshot whose upstreams cannot be reached; what was refused is broken in it.
pub(crate) fn build(registry: &Registry, loaded: &Loaded) -> (Snapshot, Report) {
    let nowhere = ArcService::from_fn(|_| {
        let code = &codes::UPSTREAM_UNREACHABLE;
        std::future::ready(Err(Error::new(code, code.about)))
    });
    Builder::new(registry, nowhere)
        .refuse_by(RefuseBy::Object)
        .build(loaded, &Snapshot::default())
        .expect("what is refused by object does not refuse the whole")
}
