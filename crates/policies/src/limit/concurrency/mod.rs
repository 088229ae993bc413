//! Before routing or after it, and on the decoded call: how many calls of a caller may be in flight.
//!
//! A call takes a place when it comes, and gives it back when its reply has ended: read to the end, failed, or left
//! by the caller. Where no place is free it is refused at once with [`TOO_MANY_CALLS`], 429 with
//! `retry-after: 1`; nothing waits in a queue. Each value of the `key` has the places for itself; a key that
//! cannot be evaluated refuses the call with [`LIMIT_KEY_MISSING`].
//!
//! # Configuration
//!
//! ```yaml
//! concurrency: {max: 8, key: apiKey.id}
//! ```
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::body::Body;
//! use portcullis_policies::codes;
//! use portcullis_policies::limit::concurrency::ConcurrencyLayer;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(ConcurrencyLayer::new(1))
//!     .service(service_fn(async |_: Request<()>| {
//!         Ok::<_, Infallible>(Response::new(Body::from("hello")))
//!     }));
//!
//! let first = service.clone().oneshot(Request::new(())).await?;
//! let refused = service.clone().oneshot(Request::new(())).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::TOO_MANY_CALLS);
//! first.into_body().collect(100).await?;
//! assert!(service.oneshot(Request::new(())).await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! [`LIMIT_KEY_MISSING`]: crate::codes::LIMIT_KEY_MISSING
//! [`TOO_MANY_CALLS`]: crate::codes::TOO_MANY_CALLS

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{ConcurrencyConfig, ConcurrencyPolicy};
pub use layer::ConcurrencyLayer;
pub use service::Concurrency;
