//! Before an LLM backend: when its engine makes a second attempt beside one that takes long.
//!
//! The policy only tells the engine ([`portcullis_core::attempt`]) what this route wants instead of what the
//! backend says. The second attempt goes to another provider; the first of the two to give content serves, and the
//! other is cancelled at once. Both are recorded. Over one provider alone there is no second.
//!
//! # Configuration
//!
//! ```yaml
//! hedge: {quantile: 0.95, maxPercent: 5}      # or {after: 2s}
//! ```
//!
//! `quantile: 0.95` is when 95 % of the provider's replies of the last one to two minutes had begun; before 20
//! are known nothing is hedged. `maxPercent` bounds second attempts by the number of calls; default: 5. It stands on
//! a listener or a route, and the inner one replaces the outer one.

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::HedgePolicy;
pub use layer::HedgeLayer;
pub use service::Hedging;
