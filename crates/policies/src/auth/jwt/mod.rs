//! Before routing or after it: callers known by a JSON web token.
//!
//! # What happens
//!
//! 1. The token is read from `authorization: Bearer …`, or from the header `location` names. No token: refused with
//!    [`TOKEN_MISSING`], unless the mode is `Optional` or `Permissive`: then the call goes on without a principal.
//! 2. Its `iss` names one of the `providers`, whose rules it must meet: an algorithm that is allowed, the signature of a key
//!    of the provider with the key id it names, `exp` and `nbf` within the clock skew, one of the audiences, the claims
//!    that are required. A claim that stands twice is refused. Whatever is wrong, the call is refused with
//!    [`TOKEN_INVALID`], unless the mode is `Permissive`. What it was is in the log alone.
//! 3. The [`Principal`] is the claim `sub`, and its metadata are the claims: `jwt.…` in expressions.
//!
//! Refusals are 401 with `www-authenticate: Bearer`.
//!
//! # Keys
//!
//! Keys (a JWK set, RFC 7517) stand in the configuration, in a file, or at a URL. From a URL they are fetched when
//! the first token comes, and again when they are five minutes old or a token names a key that is not among them; for
//! unknown keys at most every ten seconds, whatever callers send. While the URL cannot be reached the keys last
//! fetched serve on, for a day; a call for which there are none is refused with [`KEYS_UNAVAILABLE`], 503. Fetching
//! takes five seconds at most, follows no redirect, and reads up to 1 MiB.
//!
//! # Configuration
//!
//! ```yaml
//! jwtAuthentication:
//!   mode: Strict                       # the default, or: Optional, Permissive
//!   providers:
//!   - issuer: https://login.example.com/
//!     audiences: [llm-gateway]
//!     jwks: {url: "https://login.example.com/.well-known/jwks.json"}
//!     algorithms: [RS256]              # default: every one with a public key
//!     requiredClaims: [exp, sub]       # default: exp
//!     clockSkew: 30s                   # default: 60s
//! ```
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_policies::auth::jwt::{Issuer, JwtLayer, KeySet};
//! use portcullis_policies::codes;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeySet::parse(br#"{"keys": []}"#)?;
//! let issuer = Issuer::new("https://login.example.com/", keys).audiences(["llm-gateway"]);
//! let service = ServiceBuilder::new()
//!     .layer(JwtLayer::new([issuer]))
//!     .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
//!
//! let refused = service.oneshot(Request::new(())).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::TOKEN_MISSING);
//! # Ok(())
//! # }
//! ```
//!
//! [`TOKEN_MISSING`]: crate::codes::TOKEN_MISSING
//! [`TOKEN_INVALID`]: crate::codes::TOKEN_INVALID
//! [`KEYS_UNAVAILABLE`]: crate::codes::KEYS_UNAVAILABLE
//! [`Principal`]: portcullis_core::context::Principal

mod config;
mod issuer;
mod keys;
mod layer;
mod remote;
mod service;

#[cfg(test)]
mod tests;

pub use config::{JwksConfig, JwtAuthentication, JwtConfig, Location, Mode, ProviderConfig};
pub use issuer::{Algorithm, Issuer};
pub use keys::{KeySet, KeySetError};
pub use layer::JwtLayer;
pub use remote::RemoteKeys;
pub use service::JwtAuth;
