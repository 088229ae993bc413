//! Before routing or after it, and on the decoded call: how many calls and tokens a caller may use in a time.
//!
//! # What happens
//!
//! 1. Each limit finds whose count a call is for, by its `key`. A key that cannot be evaluated refuses the call
//!    with [`LIMIT_KEY_MISSING`].
//! 2. The call reserves of every limit: one request, or the tokens it will probably use. Input is estimated by its
//!    size (four bytes a token); output is what the call asks for at most, but no more than `reserveOutput`,
//!    1,024 unless told otherwise.
//! 3. One limit has too little left: nothing is reserved, and the call is refused with [`RATE_LIMITED`], 429. `retry-after`
//!    says when there will be enough; there is none where the call wants more than the limit ever has.
//! 4. When the call has ended, completed, failed or left by its caller, what it used takes the place of what it
//!    reserved. A call that used more than it reserved leaves its key with less than nothing, to be worked off.
//!
//! What is used comes back evenly: of 600 requests a minute, one every tenth of a second. At rest a key has
//! the whole amount and the `burst` on top.
//!
//! Replies say what is left, in the headers SDKs know: `x-ratelimit-remaining-requests` and so on, or
//! `anthropic-ratelimit-requests-remaining` for callers that send `anthropic-version`. They take the place of what an
//! upstream said of the gateway's own account.
//!
//! Limits of tokens, and keys that name `llm`, work on the decoded call. A call whose body is not read, as an
//! upload, is refused there with [`UNINSPECTABLE`] unless `unmodelled: Allow` is set.
//!
//! # What is kept
//!
//! Counts live in the process, for at most `maxKeys` keys a limit. When there are as many and none is at rest,
//! further keys share one count. A change of the configuration keeps them, also one of the amount; a change of the
//! unit or the key begins anew.
//!
//! # Configuration
//!
//! ```yaml
//! rateLimit:
//!   local:
//!   - {requests: 600, unit: Minutes, burst: 100, key: apiKey.id}
//!   - {tokens: 2000000, unit: Hours, key: apiKey.id}
//!   - {tokens: 50000000, unit: Days}             # of all callers together
//! ```
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::expr::Cel;
//! use portcullis_policies::codes;
//! use portcullis_policies::ledger::{Limit, Measure, Quota, Window};
//! use portcullis_policies::rate_limit::RateLimitLayer;
//! use std::{convert::Infallible, time::Duration};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let quota = Quota::new(1, Window::Rolling(Duration::from_secs(60)));
//! let per_team = Limit::new(Measure::Requests, quota).key(Cel::new("request.headers['x-team']")?);
//! let service = ServiceBuilder::new()
//!     .layer(RateLimitLayer::new([per_team]))
//!     .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
//!
//! let call = |team| Request::builder().header("x-team", team).body(()).unwrap();
//! let reply = service.clone().oneshot(call("a")).await?;
//! assert_eq!(reply.headers()["x-ratelimit-remaining-requests"], "0");
//! assert!(service.clone().oneshot(call("b")).await.is_ok());
//! let refused = service.oneshot(call("a")).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::RATE_LIMITED);
//! # Ok(())
//! # }
//! ```
//!
//! [`LIMIT_KEY_MISSING`]: crate::codes::LIMIT_KEY_MISSING
//! [`RATE_LIMITED`]: crate::codes::RATE_LIMITED
//! [`UNINSPECTABLE`]: crate::codes::UNINSPECTABLE

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{LimitConfig, RateLimitConfig, RateLimitPolicy, Unit, Unmodelled};
pub use layer::RateLimitLayer;
pub use service::RateLimit;
