//! Upstream: credentials that are looked up while the gateway runs, for signers that open no sockets.

mod aws;
mod renewed;

use std::sync::Arc;

use portcullis_core::assemble::Registry;
use portcullis_providers::sign::AwsChains;

/// Brings AWS's standard chain to the providers.
pub(crate) fn register(registry: &mut Registry) {
    registry.slot_mut::<AwsChains>().0 = Some(Arc::new(aws::StandardChain));
}
