//! The whole line where a policy panics: the call fails, and nothing else does.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use portcullis::core::assemble::{BuildContext, Policy, PolicyKind};
use portcullis::core::body::Body;
use portcullis::core::config::ConfigError;
use portcullis::core::context::Outcome;
use portcullis::core::error::{Error, codes};
use portcullis::core::protocol::{ArcLayer, ArcService, Http};
use portcullis_testkit::{Client, Upstream};
use schemars::JsonSchema;
use serde::Deserialize;
use tower::{ServiceExt, layer::layer_fn};

use crate::support::*;

/// A policy that panics when a header tells it to, and where.
struct Panics;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoSettings {}

impl PolicyKind for Panics {
    const NAME: &'static str = "panics";
    type Config = NoSettings;
}

impl Policy<Http> for Panics {
    fn layer(&self, _: NoSettings, _: &BuildContext<'_>) -> Result<ArcLayer<Http>, ConfigError> {
        Ok(ArcLayer::new(layer_fn(|inner: ArcService<Http>| {
            ArcService::<Http>::from_fn(move |request| {
                let wanted = request.headers().get("x-panic");
                let wanted = wanted
                    .and_then(|w| w.to_str().ok())
                    .unwrap_or_default()
                    .to_owned();
                assert_ne!(wanted, "call", "as told");
                let inner = inner.clone();
                async move {
                    assert_ne!(wanted, "future", "as told");
                    let reply = inner.oneshot(request).await?;
                    Ok(match &*wanted {
                        "body" => reply.map(|body| Body::new(Panicking(body, 2))),
                        _ => reply,
                    })
                }
            })
        })))
    }
}

/// A body that panics behind so many frames.
struct Panicking(Body, usize);

impl http_body::Body for Panicking {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        assert_ne!(self.1, 0, "as told");
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        self.1 -= usize::from(polled.is_ready());
        polled
    }
}

async fn line() -> Line {
    let upstream = Upstream::start().await.unwrap();
    let config =
        config(&upstream, "").replace("name: rest,", "name: rest, policies: [{panics: {}}],");
    Line::configured(upstream, &config, |builder| {
        let mut registry = portcullis::registry();
        registry.policy(Panics);
        builder.registry(registry)
    })
    .await
}

#[tokio::test]
async fn a_panic_is_an_error_of_that_call_and_the_connection_goes_on() {
    let line = line().await;
    for client in [Client::new(), Client::http2()] {
        let url = line.url("/v1/chat/completions");
        let mut connection = client.connect(&url).await.unwrap();
        for wanted in ["call", "future", "call"] {
            let headers = [("x-panic", wanted)];
            let reply = connection
                .send(http::Method::POST, &url, &headers, CHAT)
                .await
                .unwrap();
            assert_eq!(reply.status, 500, "{wanted}");
            assert_eq!(reply.header("portcullis-error"), Some("panicked"));
            assert_eq!(reply.json()["error"]["code"], "panicked");
            let record = line.records.only().await;
            assert_eq!(
                record.outcome,
                Outcome::Failed(&codes::PANICKED),
                "{wanted}"
            );
            let reply = connection
                .send(http::Method::POST, &url, &[], CHAT)
                .await
                .unwrap();
            assert_eq!(reply.status, 200);
            assert_eq!(line.records.only().await.outcome, Outcome::Completed);
        }
    }
}

#[tokio::test]
async fn a_panic_in_mid_stream_is_its_last_event_and_leaves_the_upstream() {
    let line = line().await;
    for client in [Client::new(), Client::http2()] {
        let url = line.url("/v1/chat/completions");
        let mut connection = client.connect(&url).await.unwrap();
        let headers = [("x-panic", "body"), ("x-pace", "per-event,delay-5")];
        let reply = connection
            .send(http::Method::POST, &url, &headers, CHAT)
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
        assert!(
            reply.text().contains(r#""code":"panicked""#),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains("[DONE]"));
        assert!(line.upstream.wait_for_cancel(PATIENCE).await.is_some());
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Failed(&codes::PANICKED));
        let reply = connection
            .send(http::Method::POST, &url, &[], CHAT)
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
        line.records.only().await;
        line.upstream.forget();
    }
}
