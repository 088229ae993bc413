//! Before the request line: a configuration built to look at, not to serve.

use portcullis_core::assemble::Registry;
use portcullis_core::config::{Loaded, Report};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};

use super::{Builder, RefuseBy, Snapshot};

/// Builds everything as a gateway would, opens nothing, and says what is wrong with each object.
pub fn validate(registry: &Registry, loaded: &Loaded) -> Report {
    build(registry, loaded, nowhere(), &Snapshot::default()).1
}

/// A client that reaches nobody.
pub(crate) fn nowhere() -> ArcService<Http> {
    ArcService::from_fn(|_| {
        let code = &codes::UPSTREAM_UNREACHABLE;
        std::future::ready(Err(Error::new(code, code.about)))
    })
}

/// A snapshot over `client`; what was refused is as in `previous`, or broken.
pub(crate) fn build(
    registry: &Registry,
    loaded: &Loaded,
    client: ArcService<Http>,
    previous: &Snapshot,
) -> (Snapshot, Report) {
    Builder::new(registry, client)
        .refuse_by(RefuseBy::Object)
        .build(loaded, previous)
        .expect("what is refused by object does not refuse the whole")
}
