//! One policy of Portcullis on an axum application: callers need an API key.
//!
//! ```sh
//! cargo run -p portcullis-example-one-layer
//! curl -i http://127.0.0.1:3000/                               # 401, with a problem document that says why
//! curl -i http://127.0.0.1:3000/ -H 'x-api-key: sk-of-alice'   # 200, hello alice
//! ```
//!
//! A policy is a tower layer like any other. It returns an error where it refuses; the layer outside of it
//! makes a reply of that. No gateway, no configuration, no HTTP client is compiled for this.

use std::error::Error;

use axum::routing::get;
use axum::{Extension, Router};
use portcullis_core::context::Context;
use portcullis_core::respond::RespondLayer;
use portcullis_policies::auth::api_key::{ApiKey, ApiKeyLayer};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(socket, application()?).await?;
    Ok(())
}

fn application() -> Result<Router, Box<dyn Error>> {
    let keys = [ApiKey::new("sk-of-alice").id("alice")];
    let policy = ServiceBuilder::new()
        .layer(RespondLayer::problem())
        .layer(ApiKeyLayer::new(keys)?);
    Ok(Router::new().route("/", get(hello)).layer(policy))
}

/// What a policy found out about a call is in its context.
async fn hello(Extension(context): Extension<Context>) -> String {
    let name = context.principal().map_or("stranger", |caller| &caller.id);
    format!("hello {name}\n")
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(key: &str) -> (u16, String) {
        let request = Request::get("/").header("x-api-key", key);
        let request = request.body(Body::empty()).unwrap();
        let reply = application().unwrap().oneshot(request).await.unwrap();
        let status = reply.status().as_u16();
        let body = to_bytes(reply.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn a_caller_with_a_key_is_greeted_by_name() {
        assert_eq!(ask("sk-of-alice").await, (200, "hello alice\n".into()));
    }

    #[tokio::test]
    async fn a_caller_with_another_key_is_told_why_not() {
        let (status, body) = ask("sk-of-mallory").await;
        assert_eq!(status, 401);
        assert!(body.contains("api_key_invalid"), "{body}");
    }
}
