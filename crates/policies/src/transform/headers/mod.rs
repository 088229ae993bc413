//! Around any HTTP stretch of the line: headers of request and reply removed, set and added.
//!
//! # What happens
//!
//! The edits of the request are made before it is passed on, those of the response when its head comes. In
//! either, whatever the order in which they are written:
//!
//! 1. headers to `remove` are removed, with all their values;
//! 2. headers to `set` get the value given, in place of all they had;
//! 3. headers to `add` get the value given, after those they have.
//!
//! Bodies are not touched, and an error of the gateway's own does not get the response's edits: it becomes
//! a reply further out.
//!
//! # What may not be edited
//!
//! Configuration refuses names that belong to a connection or to the framing of a message, which the gateway
//! must own: `host`, `content-length` and the hop-by-hop headers of RFC 9110 §7.6.1. Credentials may be set;
//! values set on requests are never printed.
//!
//! # Configuration
//!
//! As `HTTPHeaderFilter` of Gateway API. Edits of several levels are all made, the outer ones first on the
//! request and last on the reply.
//!
//! ```yaml
//! headerModifiers:
//!   request:
//!     set: [{name: x-tenant, value: research}]
//!     add: [{name: anthropic-beta, value: context-1m-2025-08-07}]
//!     remove: [x-debug]
//!   response:
//!     set: [{name: strict-transport-security, value: max-age=63072000}]
//! ```
//!
//! # Examples
//!
//! ```
//! use http::header::{HeaderName, HeaderValue, SERVER};
//! use http::{Request, Response};
//! use portcullis_policies::transform::headers::{HeaderEdits, HeaderModifiersLayer};
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! const TENANT: HeaderName = HeaderName::from_static("x-tenant");
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = HeaderModifiersLayer::new()
//!     .request(HeaderEdits::new().set(TENANT, HeaderValue::from_static("research")))
//!     .response(HeaderEdits::new().remove(SERVER));
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<()>| {
//!         let mut reply = Response::new(request.headers()[TENANT].clone());
//!         reply.headers_mut().insert(SERVER, HeaderValue::from_static("secret/1.0"));
//!         Ok::<_, Infallible>(reply)
//!     },
//! ));
//!
//! let reply = service.oneshot(Request::new(())).await?;
//! assert!(!reply.headers().contains_key(SERVER));
//! assert_eq!(reply.into_body(), "research");
//! # Ok(())
//! # }
//! ```

mod config;
mod edits;
mod future;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{Header, HeaderFilter, HeaderModifiersConfig, HeaderModifiersPolicy};
pub use edits::HeaderEdits;
pub use future::ResponseFuture;
pub use layer::HeaderModifiersLayer;
pub use service::HeaderModifiers;
