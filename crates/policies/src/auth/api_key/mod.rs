//! Before routing or after it: callers known by a key they send along.
//!
//! # What happens
//!
//! 1. The key is read from `authorization: Bearer …`, `x-api-key`, `api-key` or `x-goog-api-key`, the places
//!    where SDKs of the usual providers put theirs. An `authorization` of another scheme is no key.
//! 2. No key: refused with [`API_KEY_MISSING`], or let through without a principal where the key is
//!    [optional](ApiKeyLayer::optional).
//! 3. An empty key, several different ones, one that has expired or is not known: refused with [`API_KEY_INVALID`], unless
//!    the [mode](Mode) is `permissive`. Refusals are 401 with `www-authenticate: Bearer`.
//! 4. A known key: its [`Principal`] is set on the call's [`Context`], unless an earlier policy has said who
//!    calls.
//!
//! A key may be for some models only: a call of another is refused with `model_not_allowed` when it is decoded.
//!
//! The key stays on the request, because it may tell in which dialect the call is written. An
//! [`Origin`](portcullis_core::upstream::Origin) leaves it behind; whoever sends requests to an upstream
//! another way must take it off.
//!
//! # What is kept
//!
//! Only SHA-256 digests. That is safe for keys made by a machine, with 128 random bits or more: there is
//! nothing to guess. It is no way to keep passwords. A call costs one digest and one look into a map; the
//! digest is compared in constant time.
//!
//! # Configuration
//!
//! ```yaml
//! apiKeyAuthentication:
//!   mode: strict                 # the default, or: optional
//!   keys:
//!   - {id: alice, keyHash: "sha256:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"}
//!   - {id: alice, key: "${ALICE_NEW_KEY}"}           # while the old one is still in use
//!   - {id: bob, key: {file: /run/keys/bob}, metadata: {team: research}, expiresAt: "2027-01-01T00:00:00Z"}
//!   - {id: carol, keyHash: "sha256:…", allowedModels: ["gpt-5-*", echo]}
//! ```
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::context::HasContext;
//! use portcullis_policies::auth::api_key::{ApiKey, ApiKeyLayer};
//! use portcullis_policies::codes;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let who = service_fn(async |mut request: Request<()>| {
//!     let id = request.context().principal().map(|p| p.id.clone());
//!     Ok::<_, Infallible>(Response::new(id))
//! });
//! let service = ServiceBuilder::new()
//!     .layer(ApiKeyLayer::new([ApiKey::new("sk-of-alice").id("alice")])?)
//!     .service(who);
//!
//! let known = Request::builder().header("x-api-key", "sk-of-alice").body(())?;
//! let reply = service.clone().oneshot(known).await?;
//! assert_eq!(reply.into_body().as_deref(), Some("alice"));
//!
//! let refused = service.oneshot(Request::new(())).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::API_KEY_MISSING);
//! # Ok(())
//! # }
//! ```
//!
//! [`API_KEY_MISSING`]: crate::codes::API_KEY_MISSING
//! [`API_KEY_INVALID`]: crate::codes::API_KEY_INVALID
//! [`Principal`]: portcullis_core::context::Principal
//! [`Context`]: portcullis_core::context::Context

mod config;
mod key;
mod layer;
mod presented;
mod service;

#[cfg(test)]
mod tests;

pub use config::{ApiKeyAuthentication, ApiKeyConfig, KeyConfig, Mode};
pub use key::{ApiKey, DuplicateKey, HashError};
pub use layer::ApiKeyLayer;
pub use service::ApiKeyAuth;
