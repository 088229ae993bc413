//! An LLM policy in somebody's axum application, and an axum application as an upstream.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::{get, post};
use futures_util::future::Either;
use http::StatusCode;
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmOutput, LlmRequest, LlmResponse};
use portcullis_core::protocol::{ArcService, DecodeLayer, Http};
use portcullis_core::respond::RespondLayer;
use tower::layer::layer_fn;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::call::{MAX, codec};
use crate::dialect::{PLAIN, TERSE};

/// A policy as tower knows one: refuses every model but one.
#[derive(Clone)]
struct OnlyModel<S> {
    inner: S,
    model: &'static str,
}

impl<S: Service<LlmRequest, Error = Error>> Service<LlmRequest> for OnlyModel<S> {
    type Response = S::Response;
    type Error = Error;
    type Future = Either<S::Future, Ready<Result<S::Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        if *request.model == *self.model {
            return Either::Left(self.inner.call(request));
        }
        let refused = Error::new(&codes::MODEL_NOT_FOUND, "only one model is served here");
        Either::Right(ready(Err(refused)))
    }
}

fn provider() -> ArcService<Llm> {
    ArcService::from_fn(|request: LlmRequest| async move {
        let (head, ()) = http::Response::new(()).into_parts();
        let body = LlmOutput::Whole(PLAIN.whole("hello", [1, 1]).into());
        Ok(LlmResponse::new(head, request.dialect, body))
    })
}

/// The application. Its own routes stay as they are; the gateway's half is the stack.
fn application() -> Router {
    let gateway = ServiceBuilder::new()
        .map_request(|request: axum::extract::Request| request.map(Body::new))
        .layer(RespondLayer::new(codec()))
        .layer(DecodeLayer::new(Arc::new(codec())))
        .layer(layer_fn(ArcService::new))
        .layer(layer_fn(|inner| OnlyModel { inner, model: "m" }))
        .service(provider());
    Router::new()
        .route("/health", get(|| async { "fine" }))
        .route_service("/v1/plain", gateway.clone())
        .fallback_service(gateway)
}

async fn ask(
    application: Router,
    request: http::Request<axum::body::Body>,
) -> (StatusCode, String) {
    let Ok(reply) = application.oneshot(request).await;
    let (head, body) = reply.into_parts();
    let body = Body::new(body).collect(MAX).await.unwrap();
    (head.status, String::from_utf8(body.into()).unwrap())
}

fn post_to(path: &str, body: impl Into<axum::body::Body>) -> http::Request<axum::body::Body> {
    http::Request::post(path).body(body.into()).unwrap()
}

#[tokio::test]
async fn calls_pass_the_policy_and_other_routes_do_not() {
    let asked = post_to("/v1/plain", PLAIN.request("m", false, "hi"));
    let answered = String::from_utf8(PLAIN.whole("hello", [1, 1]).into()).unwrap();
    assert_eq!(ask(application(), asked).await, (StatusCode::OK, answered));

    let asked = http::Request::get("/health").body(axum::body::Body::empty());
    let fine = (StatusCode::OK, "fine".to_owned());
    assert_eq!(ask(application(), asked.unwrap()).await, fine);
}

#[tokio::test]
async fn what_the_policy_refuses_is_told_in_the_callers_dialect() {
    for (toy, name, path) in [(PLAIN, "plain", "/v1/plain"), (TERSE, "terse", "/v1/terse")] {
        let asked = post_to(path, toy.request("other", false, "hi"));
        let (status, body) = ask(application(), asked).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(
            body,
            format!(r#"{{"error":"model_not_found","in":"{name}"}}"#)
        );
    }
}

#[tokio::test]
async fn what_is_no_call_at_all_gets_problem_details() {
    let (status, body) = ask(application(), post_to("/elsewhere", "")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains(r#""code":"route_not_found""#), "{body}");
}

#[tokio::test]
async fn an_axum_application_is_an_upstream() {
    let application = Router::new().route("/", post(|body: String| async move { body + "!" }));
    let upstream: ArcService<Http> = ArcService::new(
        ServiceBuilder::new()
            .map_response(|reply: axum::response::Response| reply.map(Body::new))
            .map_err(|never: Infallible| match never {})
            .service(application),
    );
    let asked = http::Request::post("/").body(Body::from("hi")).unwrap();
    let reply = upstream.send(asked).await.unwrap();
    assert_eq!(reply.into_body().collect(MAX).await.unwrap(), "hi!");
}
