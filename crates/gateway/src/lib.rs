//! An AI gateway as a library: LLM calls routed, guarded, limited and recorded.

pub mod admin;
pub mod backend;
pub mod client;
#[cfg(feature = "aws")]
mod credentials;
pub mod diff;
pub mod entry;
#[cfg(feature = "providers")]
pub mod explain;
mod gateway;
#[cfg(test)]
mod generated;
mod joined;
pub mod listener;
mod network;
mod registry;
mod rewound;
pub mod router;
pub mod schema;
pub mod snapshot;
pub mod source;
mod status;
pub mod telemetry;
pub mod unpack;
pub mod upstream;
#[cfg(feature = "providers")]
pub mod zero;

pub use gateway::{
    BuildError, Gateway, GatewayBuilder, GatewayFuture, GatewayService, ReloadError, RunError,
    Running, Stop,
};
pub use portcullis_core as core;
#[cfg(feature = "policies")]
pub use portcullis_policies as policies;
#[cfg(feature = "providers")]
pub use portcullis_providers as providers;
pub use registry::{error_codes, registry};
pub use snapshot::validate;
pub use status::{Attempt, Fault, ObjectStatus, ReloadResult, Status};
