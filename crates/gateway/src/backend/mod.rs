//! Backends that answer plain HTTP.

mod direct_response;

pub use direct_response::{DirectResponseBackend, DirectResponseConfig};
