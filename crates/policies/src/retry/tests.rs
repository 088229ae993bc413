//! Claims about what the engine is told.

use std::convert::Infallible;

use http::Request;
use portcullis_core::attempt::{Retry, Wishes};
use portcullis_core::body::Body;
use portcullis_core::config::PolicyEntry;
use portcullis_core::context::Context;
use portcullis_core::llm::Llm;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::RetryLayer;
use crate::hedge::HedgeLayer;
use crate::testing::built;

#[tokio::test]
async fn the_engine_is_told_what_both_policies_ask_for() {
    let context = Context::default();
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(context.clone());
    let inner = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(()));
    let hedge = portcullis_core::attempt::Hedge::new(
        portcullis_core::attempt::HedgeAfter::Quantile(0.9),
        5.0,
    );
    let service = RetryLayer::new(Retry::times(7)).layer(HedgeLayer::new(hedge).layer(inner));
    service.oneshot(request).await.unwrap();
    let wishes = context.attributes(|attributes| *attributes.get::<Wishes>().unwrap());
    assert_eq!(wishes.retry.unwrap().attempts, 7);
    assert_eq!(wishes.hedge.unwrap().max_percent, 5.0);
}

fn refused(name: &str, body: Value) -> String {
    built::<Llm>(vec![PolicyEntry::new(name, body)])
        .unwrap_err()
        .at
        .to_string()
}

#[test]
fn numbers_out_of_bounds_are_refused_with_their_place() {
    assert_eq!(refused("retry", json!({"attempts": 11})), "/p0/attempts");
    assert_eq!(
        refused("retry", json!({"budget": {"percent": 101}})),
        "/p0/budget"
    );
    assert!(built::<Llm>(vec![PolicyEntry::new("retry", json!({}))]).is_ok());
}
