//! Before routing or after it, or at an endpoint: a bound on request bodies.
//!
//! # What happens
//!
//! 1. A request that declares a longer body, by `content-length` or because its body is at hand, is refused
//!    with `body_too_large` (413) at once; the service behind never sees it.
//! 2. Any other body is counted while it is read, and nothing of it is held back. A body of exactly the
//!    bound passes. The piece that goes beyond is not handed on: the body fails with `body_too_large` there,
//!    and what feeds it is dropped.
//! 3. If the service behind answers, or fails, after that, the refusal takes the place of its reply, since
//!    it has not seen the whole request. A reply whose head came before stays as it is.
//!
//! Only data counts. Trailers pass uncounted, after a body within the bound: the listener's bound on heads
//! holds for them. A compressed body counts as it is sent.
//!
//! The service behind takes core's [`Body`](portcullis_core::body::Body), whatever came in.
//!
//! # Configuration
//!
//! ```yaml
//! bodyLimit: {request: 10MiB}
//! ```
//!
//! On a route it replaces that of the listener. On a backend or an endpoint it bounds what is sent to that
//! one.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::body::Body;
//! use portcullis_core::config::ByteSize;
//! use portcullis_core::error::{Error, codes};
//! use portcullis_policies::limit::body::BodyLimitLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let echo = ServiceBuilder::new()
//!     .layer(BodyLimitLayer::new(ByteSize::bytes(5)))
//!     .service(service_fn(async |request: Request<Body>| {
//!         Ok::<_, Error>(Response::new(request.into_body()))
//!     }));
//!
//! let reply = echo.clone().oneshot(Request::new(Body::from("hello"))).await?;
//! assert_eq!(reply.into_body().collect(5).await?, "hello");
//!
//! let refused = echo.oneshot(Request::new(Body::from("hello!"))).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::BODY_TOO_LARGE);
//! # Ok(())
//! # }
//! ```

mod bounded;
mod config;
mod future;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{BodyLimitConfig, BodyLimitPolicy};
pub use future::ResponseFuture;
pub use layer::BodyLimitLayer;
pub use service::BodyLimit;
