//! Between the typed policies and the providers: several attempts at one call, until one proves itself.
//!
//! # What happens
//!
//! 1. An endpoint is [chosen](crate::backend), the call is sent there, and its reply is read up to the
//!    *commit point*: its first content. Nothing of the reply goes to the caller before that.
//! 2. An attempt that fails before is classified ([`TABLE`]). The table says whether the call may go on, to
//!    another endpoint or to the same one after a pause, and what is learnt of the endpoint.
//! 3. Another fit endpoint is asked at once, and each only once. Where there is none, one that has failed is
//!    asked again, after a jittered and growing pause, if the [`Budget`] of the backend allows it. One that
//!    stayed silent is not asked again in this call.
//! 4. When nothing is left to be done the caller is told what one of the upstreams said, in its own bytes: of
//!    several failures the one that says most to a caller.
//! 5. With [`hold_back`](Settings::hold_back), a caller of a stream who has waited that long gets the head of a
//!    reply and a comment that keeps the connection alive; attempts go on behind it. Errors come inside of
//!    the stream from then on.
//! 6. With [`Hedge`], a second attempt is made elsewhere when the first takes long; the first to prove itself
//!    serves, and the other is dropped.
//!
//! A failed attempt at another, fit endpoint costs no budget: each endpoint gets a call once, and one that
//! goes on failing is left out. What could multiply an outage, asking the same again, does.
//!
//! The engine is generic over the protocol; what it must know of one is a [`Proof`]. Every attempt is recorded
//! by the endpoint's own service, under the [`Turn`](crate::context::Turn) the engine gives it.

mod budget;
mod class;
mod config;
mod engine;
mod flight;
mod hints;
mod marks;
mod proof;
mod settings;

pub use budget::Budget;
pub use class::{Again, Class, Learnt, Rule, TABLE};
pub use config::{BudgetConfig, HedgeConfig, RetryConfig};
pub use engine::Engine;
pub use hints::{exhausted, retry_after};
pub use proof::{Proof, Proven, Rejected, Rest, Served};
pub use settings::{Hedge, HedgeAfter, Retry, Settings, Wishes};
