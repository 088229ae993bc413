//! Around any HTTP stretch of the line: how long a call, and each wait for its upstream, may take.
//!
//! # What happens
//!
//! 1. `request` bounds the whole call, from here to the last byte of the reply, however the time is spent: a
//!    client that reads slowly uses it up too. Its end is told to everything behind, as the
//!    [deadline](portcullis_core::context::Context::deadline) of the call.
//! 2. When it passes before the head of the reply, the call fails with `call_timeout` (504) and what was
//!    under way is dropped. When it passes after, the reply's body fails with that error, which whoever
//!    renders errors inside a stream then shows to the caller. A reply whose body is at hand is complete.
//! 3. `connect`, `firstByte` and `idle` are for the HTTP client. They are put into the extensions of the
//!    request as [`Timeouts`](portcullis_core::upstream::Timeouts); where an outer layer has put some there,
//!    the ones set here win and the others stay.
//!
//! Without `request` there is no timer, and request and reply are passed on as they are. With it a call
//! costs one boxed [`Sleep`](tokio::time::Sleep).
//!
//! The reply has core's [`Body`](portcullis_core::body::Body), whatever the service behind answers with.
//!
//! # Configuration
//!
//! ```yaml
//! timeouts: {request: 5m, connect: 5s, firstByte: 60s, idle: 60s}      # each may be left out
//! ```
//!
//! `0s` is a wait without limit, as in Gateway API. Timeouts of several levels add up: on a listener or a
//! route `request` bounds the call, on a backend or an endpoint each attempt. Of the other three the one on
//! the more specific level counts.
//!
//! # Panics
//!
//! With `request` set, calls panic outside of a tokio runtime with its clock enabled.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::body::Body;
//! use portcullis_core::error::{Error, codes};
//! use portcullis_policies::timeout::TimeoutsLayer;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Error> {
//! let service = ServiceBuilder::new()
//!     .layer(TimeoutsLayer::new().request(Duration::from_secs(5)))
//!     .service(service_fn(async |_: Request<Body>| {
//!         tokio::time::sleep(Duration::from_secs(60)).await;
//!         Ok::<_, Error>(Response::new(Body::empty()))
//!     }));
//!
//! let late = service.oneshot(Request::new(Body::empty())).await.unwrap_err();
//! assert_eq!(late.code(), &codes::CALL_TIMEOUT);
//! # Ok(())
//! # }
//! ```

mod body;
mod config;
mod future;
mod layer;
mod limit;
mod service;

#[cfg(test)]
mod tests;

pub use config::{TimeoutsConfig, TimeoutsPolicy};
pub use future::ResponseFuture;
pub use layer::TimeoutsLayer;
pub use service::Timed;
