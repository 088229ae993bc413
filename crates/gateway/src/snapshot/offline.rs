//! Before the request line: a configuration built to look at, not to serve.

use portcullis_core::assemble::Registry;
use portcullis_core::config::{Loaded, Report};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};

use super::{Builder, RefuseBy, Snapshot};

/// Builds everything as a gateway would, opens nothing, and says what is wrong with each object.
pub fn validate(registry: &Registry, loaded: &Loaded) -> Report {
    let nowhere = ArcService::from_fn(|_| {
        let code = &codes::UPSTREAM_UNREACHABLE;
        std::future::ready(Err(Error::new(code, code.about)))
    });
    build(registry, loaded, nowhere).1
}

/// A snapshot over `client`; what was refused is broken in it.
pub(crate) fn build(
    registry: &Registry,
    loaded: &Loaded,
    client: ArcService<Http>,
) -> (Snapshot, Report) {
    Builder::new(registry, client)
        .refuse_by(RefuseBy::Object)
        .build(loaded, &Snapshot::default())
        .expect("what is refused by object does not refuse the whole")
}
