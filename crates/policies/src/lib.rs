//! Policies of the Portcullis AI gateway, each a tower layer.
use portcullis_core::assemble::Registry;

/// Registers every policy of this crate.
pub fn register(registry: &mut Registry) {
    let _ = registry;
}
