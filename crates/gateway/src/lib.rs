//! An AI gateway as a library: LLM calls routed, guarded, limited and recorded.

pub mod client;
pub mod entry;
pub mod listener;
pub mod router;
pub mod snapshot;
pub mod source;
pub mod upstream;

