//! Only callers on this machine: for a gateway with real keys and no authentication.
//!
//! A listener on a loopback address is not enough: a web page open in a browser on the same machine can send
//! it requests, and by DNS rebinding under a host name of its own. [`LocalOnlyLayer`] therefore refuses
//!
//! 1. a `Host` (or authority) that is not a loopback address, `localhost` or under `.localhost`, with
//!    `host_refused`: rebinding stops here;
//! 2. an `Origin` that is not such a host, and a `sec-fetch-site` of `cross-site`, with `origin_refused`:
//!    pages of other sites stop here;
//! 3. a body whose `content-type` is one of those browsers send to other sites without asking first
//!    (`text/plain`, forms without a file, or none at all) with `content_type_refused`, unless
//!    `sec-fetch-site` is absent and so no browser is calling. Multipart uploads are judged the same way.
//!
//! The request goes on unchanged otherwise; its body is not read.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use portcullis_core::body::Body;
//! use portcullis_core::respond::RespondLayer;
//! use portcullis_policies::local_only::LocalOnlyLayer;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::problem())
//!     .layer(LocalOnlyLayer)
//!     .service(service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty()))));
//!
//! let rebound = Request::get("/v1/models").header("host", "evil.example").body(Body::empty())?;
//! assert_eq!(service.oneshot(rebound).await?.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```

mod config;
mod layer;
mod service;
#[cfg(test)]
mod tests;

pub use config::{LocalOnlyConfig, LocalOnlyPolicy};
pub use layer::LocalOnlyLayer;
pub use service::LocalOnly;
