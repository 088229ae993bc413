//! Before routing or after it, and on the decoded call: whether a caller may do what it asks.
//!
//! # What happens
//!
//! 1. The caller's address is in a range of `ip.deny`, or `ip.allow` is given and it is in none of its: refused.
//!    So is a caller whose address nobody knows, as at a unix socket, where either is given.
//! 2. A deny rule holds: refused.
//! 3. A require rule does not hold: refused.
//! 4. There are allow rules and none of them holds: refused.
//!
//! Else the call goes on. A rule that cannot be evaluated, because it reads a claim that is not there for
//! one, counts against the call: a deny rule refuses then, a require rule is not met, an allow rule does not allow.
//! Refusals are 403 with the code [`NOT_AUTHORIZED`]; which rule it was is in the log and not in the reply.
//!
//! Policies of all levels apply, each by itself: a call passes when each of them lets it pass.
//!
//! A rule that names `llm` or `llmRequest` is asked of the decoded call; then the whole policy is, and it
//! stands after the policies that work on HTTP. Put rules that need only the head in an entry of their own, with an
//! `id`, to refuse before the body is read.
//!
//! # Configuration
//!
//! ```yaml
//! authorization:
//!   ip: {allow: ["10.0.0.0/8", "2001:db8::/32"], deny: ["10.9.0.0/16"]}
//!   rules:
//!   - deny: 'jwt.groups.exists(g, g == "contractors")'
//!   - require: 'request.headers["x-team"] != ""'
//!   - allow: 'apiKey.tier == "gold"'
//!   - allow: 'request.path == "/v1/models"'
//! ```
//!
//! The form of AgentgatewayPolicy is read as well: `action: Allow`, `Deny` or `Require`, and
//! `policy: {matchExpressions: […]}`.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response};
//! use portcullis_core::expr::Cel;
//! use portcullis_policies::authorize::{AuthorizationLayer, Rule};
//! use portcullis_policies::codes;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = Rule::Allow(Cel::new("request.headers['x-team'] == 'research'")?);
//! let service = ServiceBuilder::new()
//!     .layer(AuthorizationLayer::new([rule]))
//!     .service(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(()))));
//!
//! let theirs = Request::builder().header("x-team", "research").body(())?;
//! assert!(service.clone().oneshot(theirs).await.is_ok());
//! let refused = service.oneshot(Request::new(())).await.unwrap_err();
//! assert_eq!(refused.code(), &codes::NOT_AUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! [`NOT_AUTHORIZED`]: crate::codes::NOT_AUTHORIZED

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{Action, AuthorizationConfig, AuthorizationPolicy, IpConfig, MatchConfig, Rule};
pub use layer::AuthorizationLayer;
pub use service::Authorization;
