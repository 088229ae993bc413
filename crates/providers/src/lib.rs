//! LLM providers: the wire formats they speak, the vendors there are, and how a model's name finds one.
//!
//! Nothing here opens a socket: a provider writes requests and reads replies, and is handed an HTTP
//! service to send them by.

pub mod dialect;
pub mod echo;
pub mod llm;
pub mod provider;
pub mod select;
pub mod vendor;

use portcullis_core::assemble::Registry;
use portcullis_core::llm::Llm;

/// Registers every dialect, vendor and backend of this crate.
pub fn register(registry: &mut Registry) {
    for dialect in dialect::all() {
        registry.dialect(dialect);
    }
    *registry.slot_mut() = vendor::Vendors::standard();
    registry.backend::<Llm, _>(llm::LlmBackend);
    registry.backend::<Llm, _>(select::ModelsBackend);
    registry.backend::<Llm, _>(echo::EchoBackend);
}
