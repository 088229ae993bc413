//! Policies of the Portcullis AI gateway, each a tower layer.
//!
//! Every policy here works alone in a [`ServiceBuilder`](https://docs.rs/tower/latest/tower/struct.ServiceBuilder.html),
//! over any service whose error is [`Error`] or cannot happen; put
//! [`RespondLayer`](portcullis_core::respond::RespondLayer) outside of them, and what they refuse becomes a
//! reply. [`register`] makes them known to configuration under their names.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use portcullis_core::body::Body;
//! use portcullis_core::respond::RespondLayer;
//! use portcullis_policies::auth::api_key::{ApiKey, ApiKeyLayer};
//! use portcullis_policies::limit::body::BodyLimitLayer;
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let service = ServiceBuilder::new()
//!     .layer(RespondLayer::problem())
//!     .layer(ApiKeyLayer::new([ApiKey::new("sk-of-alice").id("alice")])?)
//!     .layer(BodyLimitLayer::default())
//!     .service(service_fn(async |_: Request<Body>| {
//!         Ok::<_, Infallible>(Response::new(Body::from("hello")))
//!     }));
//!
//! let reply = service.oneshot(Request::new(Body::empty())).await?;
//! assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```

pub mod admission;
pub mod auth;
pub mod authorize;
pub mod budget;
pub mod codes;
pub mod hedge;
pub mod ledger;
pub mod limit;
pub mod local_only;
pub mod rate_limit;
pub mod retry;
pub mod timeout;
pub mod transform;

#[cfg(test)]
mod testing;

use portcullis_core::assemble::Registry;
use portcullis_core::context::{Context, Decision, PolicyRecord};
use portcullis_core::llm::Llm;
use portcullis_core::protocol::Http;

#[cfg(doc)]
use portcullis_core::error::Error;

/// Registers every policy of this crate under its name.
///
/// # Panics
///
/// When one of the names is taken.
pub fn register(registry: &mut Registry) {
    #[cfg(feature = "jwt")]
    registry.policy::<Http, _>(auth::jwt::JwtAuthentication);
    registry
        .policy::<Http, _>(auth::api_key::ApiKeyAuthentication)
        .policy::<Http, _>(authorize::AuthorizationPolicy)
        .policy::<Llm, _>(authorize::AuthorizationPolicy)
        .policy::<Llm, _>(budget::BudgetPolicy)
        .policy::<Http, _>(limit::body::BodyLimitPolicy)
        .policy::<Http, _>(limit::concurrency::ConcurrencyPolicy)
        .policy::<Llm, _>(limit::concurrency::ConcurrencyPolicy)
        .policy::<Http, _>(local_only::LocalOnlyPolicy)
        .policy::<Llm, _>(retry::RetryPolicy)
        .policy::<Llm, _>(hedge::HedgePolicy)
        .policy::<Http, _>(rate_limit::RateLimitPolicy)
        .policy::<Llm, _>(rate_limit::RateLimitPolicy)
        .policy::<Http, _>(timeout::TimeoutsPolicy)
        .policy::<Http, _>(transform::headers::HeaderModifiersPolicy);
}

/// Notes in the call's record what a policy decided.
fn note(context: &Context, policy: &'static str, decision: Decision) {
    context.record(|exchange| exchange.policies.push(PolicyRecord::new(policy, decision)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_registered_under_its_name_with_a_schema() {
        let mut registry = Registry::new();
        register(&mut registry);
        let mut generator = schemars::SchemaGenerator::default();
        for (name, schema) in [
            ("apiKeyAuthentication", "ApiKeyConfig"),
            ("authorization", "AuthorizationConfig"),
            ("bodyLimit", "BodyLimitConfig"),
            ("concurrency", "ConcurrencyConfig"),
            ("headerModifiers", "HeaderModifiersConfig"),
            ("localOnly", "LocalOnlyConfig"),
            ("rateLimit", "RateLimitConfig"),
            ("timeouts", "TimeoutsConfig"),
        ] {
            let policy = registry.get_policy(name).unwrap();
            assert!(policy.speaks("http"));
            policy.schema(&mut generator);
            assert!(generator.definitions().contains_key(schema));
        }
    }
}
