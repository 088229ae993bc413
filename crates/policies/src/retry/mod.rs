//! Before an LLM backend: how often, and after which pauses, its engine tries a call again.
//!
//! The policy only tells the engine ([`portcullis_core::attempt`]) what this route wants instead of what the
//! backend says; it sends nothing itself. So it works over one provider as over groups, and over a service that
//! has no such engine it does nothing. What counts as a failure, and what may be tried again, is the engine's table.
//!
//! # Configuration
//!
//! ```yaml
//! retry: {attempts: 2, backoff: 100ms, maxBackoff: 2s, maxRetryAfter: 5s, budget: {percent: 20, minPerSecond: 10}}
//! ```
//!
//! Every field may be left out; these are the defaults. It stands on a listener or a route, and the inner one
//! replaces the outer one. `attempts` counts those after the first, as in Gateway API.

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::RetryPolicy;
pub use layer::RetryLayer;
pub use service::Retrying;
