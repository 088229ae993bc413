//! An AI gateway as a library: LLM calls routed, guarded, limited and recorded.

pub mod admin;
pub mod listener;
pub mod telemetry;
