//! The end of the line: which of several endpoints a call goes to, and how they are.
//!
//! [`Endpoints`] are the places a backend can send a call to, in groups: the first group that has a fit
//! endpoint serves, and [`Balance`] says which one inside it. What is learnt of an endpoint and of the
//! credential it uses ([`Health`]) belongs to their names and not to a configuration, so it outlives a reload.
//! Nothing here knows a protocol, and nothing sends anything: the engine in [`attempt`](crate::attempt) does.

mod choice;
mod config;
mod endpoint;
mod endpoints;
mod health;
mod latency;
mod room;

pub use choice::{Affinity, Balance};
pub use config::{BalanceConfig, HashConfig, HealthConfig, QueueConfig};
pub use endpoint::{Endpoint, EndpointState};
pub use endpoints::{Chosen, Endpoints, Group, NoEndpoint, Pick, Wanted};
pub use health::{Health, Patience, Standing};
pub use latency::Latency;
pub use room::Queue;
