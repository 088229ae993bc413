//! A policy of your own: written in your crate, named in configuration like any of ours.
//!
//! ```sh
//! cargo run -p portcullis-example-own-policy
//! curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model": "echo", "messages": [{"role": "user", "content": "Hello!"}]}'      # answered
//! curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model": "big", "messages": [{"role": "user", "content": "Hello!"}]}'       # 403, model_not_allowed
//! ```
//!
//! `policy.rs` has the policy, about as long as it can be short. A mistake in its configuration is shown with
//! line and column, and `portcullis::schema::text(&registry)` describes it to editors, as with the others.

mod policy;

use std::error::Error;

use portcullis::Gateway;
use portcullis::core::llm::Llm;
use portcullis::source::ValueSource;

use policy::AllowedModels;

const CONFIG: &str = r#"
schemaVersion: 1
listeners: [{name: web, address: "127.0.0.1:8080"}]
routes:
- policies:
  - allowedModels: {models: [echo]}
  backend: {echo: {}}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let running = gateway(CONFIG).await?.run().await?;
    running.wait().await;
    Ok(())
}

async fn gateway(config: &str) -> Result<Gateway, portcullis::BuildError> {
    let mut registry = portcullis::registry();
    registry.policy::<Llm, _>(AllowedModels);
    let builder = Gateway::builder().registry(registry);
    builder.source(ValueSource::text(config)).build().await
}

#[cfg(test)]
mod tests;
