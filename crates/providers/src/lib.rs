//! LLM providers: the wire formats they speak, the vendors there are, and how a model's name finds one.
//!
//! Nothing here opens a socket: a provider writes requests and reads replies, and is handed an HTTP
//! service to send them by.

pub mod catalog;
pub mod codes;
pub mod dialect;
pub mod echo;
pub mod llm;
pub mod provider;
pub mod select;
pub mod sign;
pub mod translate;
pub mod vendor;

mod listing;

#[cfg(test)]
mod fake;

use portcullis_core::assemble::Registry;
use portcullis_core::llm::Llm;

/// Registers every dialect, vendor and backend of this crate. Vendors registered before stay.
///
/// # Panics
///
/// If something of one of their names is registered already.
pub fn register(registry: &mut Registry) {
    for dialect in dialect::all() {
        registry.dialect(dialect);
    }
    let vendors = registry.slot_mut::<vendor::Vendors>();
    for vendor in vendor::STANDARD {
        vendors.add(vendor);
    }
    let wires = registry.slot_mut::<translate::Wires>();
    for wire in dialect::wires() {
        wires.add(wire);
    }
    registry.backend::<Llm, _>(llm::LlmBackend);
    registry.backend::<Llm, _>(select::ModelsBackend);
    registry.backend::<Llm, _>(echo::EchoBackend);
}
