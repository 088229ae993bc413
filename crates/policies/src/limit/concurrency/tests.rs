//! Claims about calls in flight.

use http::Response;
use portcullis_core::Request;
use portcullis_core::body::Body;
use portcullis_core::config::PolicyEntry;
use portcullis_core::context::Context;
use portcullis_core::error::Error;
use portcullis_core::llm::Llm;
use portcullis_core::protocol::{ArcLayer, ArcService, Http};
use serde_json::{Value, json};
use tower::Layer;

use crate::codes;
use crate::testing::llm::{chat, upstream};
use crate::testing::{built, configured, echo, refused};

fn bounded(body: Value) -> ArcService<Http> {
    configured("concurrency", body).unwrap().layer(echo())
}

async fn of(service: &ArcService<Http>, team: &str) -> Result<Response<Body>, Error> {
    let request = http::Request::builder().header("x-team", team);
    let request: Request = request.body(Body::from("hello")).unwrap();
    service.send(request).await
}

#[tokio::test]
async fn a_place_is_free_again_when_the_reply_has_ended_whichever_way() {
    let service = bounded(json!({"max": 1}));
    for read in [true, false, true, false] {
        let reply = of(&service, "a").await.unwrap();
        let error = of(&service, "a").await.unwrap_err();
        assert_eq!(error.code(), &codes::TOO_MANY_CALLS);
        assert_eq!(error.after().unwrap().as_secs(), 1);
        match read {
            true => drop(reply.into_body().collect(100).await.unwrap()),
            false => drop(reply),
        }
    }
}

#[tokio::test]
async fn each_key_has_its_own_places() {
    let service = bounded(json!({"max": 1, "key": "request.headers['x-team']"}));
    let a = of(&service, "a").await.unwrap();
    let b = of(&service, "b").await.unwrap();
    assert!(of(&service, "a").await.is_err());
    drop((a, b));
    assert!(of(&service, "a").await.is_ok());
}

#[tokio::test]
async fn failures_and_callers_that_leave_early_give_their_places_back() {
    let body = json!({"max": 1, "key": "llm.model"});
    let chain = built::<Llm>(vec![PolicyEntry::new("concurrency", body)]).unwrap();
    let service = ArcLayer::stack(&chain.typed, upstream(1));
    for _ in 0..3 {
        let broken = service.send(chat("broken", 1, &Context::default()).await);
        assert_eq!(broken.await.unwrap_err().code().name, "upstream_broken");
        drop(service.send(chat("hanging", 1, &Context::default()).await));
        let reply = service.send(chat("m", 1, &Context::default()).await);
        drop(reply.await.unwrap());
    }
}

#[test]
fn no_places_are_refused() {
    let said = "/p/max: none would refuse every call; use `authorization` for that";
    assert_eq!(refused("concurrency", json!({"max": 0})), said);
}
