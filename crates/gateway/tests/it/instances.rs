//! Several gateways in one program, and one without sockets.

use http::Request;
use portcullis::Gateway;
use portcullis::core::body::Body;
use portcullis::source::ValueSource;
use portcullis_testkit::Upstream;
use tower::ServiceExt;

use crate::support::*;

#[tokio::test]
async fn two_gateways_of_one_configuration_do_not_disturb_each_other() {
    let (one, two) = (Line::start().await, Line::start().await);
    one.upstream.say("from one");
    two.upstream.say("from two");
    let mut under_way = one.chat(&[("x-pace", "per-event,delay-30")]).await;
    under_way.next_chunk().await.unwrap().unwrap();
    let there = two.chat(&[]).await.collect().await.unwrap();
    assert!(there.text().contains("two"));
    two.records.only().await;
    let url = two.url("/v1/models");
    soon("the stop of an idle gateway", two.running.stop()).await;
    assert!(portcullis_testkit::Client::new().get(&url).await.is_err());
    let (rest, proper) = under_way.drain().await;
    assert!(proper && rest.ends_with(b"data: [DONE]\n\n"));
    one.records.only().await;
    assert_eq!(one.chat(&[]).await.collect().await.unwrap().status, 200);
    assert_eq!(two.upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_dropped_gateway_leaves_the_other_alone_and_cuts_its_own() {
    let (one, two) = (Line::start().await, Line::start().await);
    let mut ours = one.chat(&[("x-fault", "stall-after-2")]).await;
    let mut theirs = two.chat(&[("x-fault", "stall-after-2")]).await;
    ours.next_chunk().await.unwrap().unwrap();
    theirs.next_chunk().await.unwrap().unwrap();
    drop(two.running);
    soon("the cut", theirs.drain()).await;
    assert!(two.upstream.wait_for_cancel(PATIENCE).await.is_some());
    assert_eq!(
        one.upstream.seen()[0].ended,
        portcullis_testkit::Ended::Running
    );
    assert_eq!(one.chat(&[]).await.collect().await.unwrap().status, 200);
}

async fn embedded(config: &str) -> Gateway {
    let source = ValueSource::text(config);
    Gateway::builder().source(source).build().await.unwrap()
}

/// What a service without sockets replies to a chat call.
async fn call(gateway: &Gateway) -> (u16, String) {
    let request = Request::post("/v1/chat/completions")
        .body(Body::from(CHAT))
        .unwrap();
    let reply = gateway.embedded().oneshot(request).await.unwrap();
    let status = reply.status().as_u16();
    let body = reply.into_body().collect(1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_gateway_without_listeners_is_called_without_sockets() {
    let upstream = Upstream::start().await.unwrap();
    let config = config(&upstream, "").replace("listeners:", "#");
    let gateway = embedded(&config).await;
    let (status, body) = call(&gateway).await;
    assert_eq!(status, 200);
    assert!(body.ends_with("data: [DONE]\n\n"));
    let running = gateway.run().await.unwrap();
    assert!(running.addresses().is_empty(), "it binds nothing");
}

#[tokio::test]
async fn the_embedded_service_is_there_whatever_the_project_is_called() {
    let gateway = embedded(
        "{schemaVersion: 1, project: team-a, routes: [{backend: {directResponse: {status: 204}}}]}",
    )
    .await;
    assert_eq!(call(&gateway).await.0, 204);
}

#[tokio::test]
async fn a_listener_that_happens_to_be_called_embedded_is_bound() {
    let gateway = embedded(
        r#"{schemaVersion: 1, listeners: [{name: embedded, address: "127.0.0.1:0"}], routes: [{backend: {directResponse: {status: 204}}}]}"#,
    )
    .await;
    let running = gateway.run().await.unwrap();
    assert_eq!(running.addresses().len(), 1);
}

#[tokio::test]
async fn an_address_in_use_is_told_and_leaves_nothing_bound() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = portcullis_testkit::unused_addr().await.unwrap();
    let gateway = embedded(&format!(
        r#"{{schemaVersion: 1, listeners: [{{name: a, address: "{free}"}}, {{name: b, address: "{}"}}]}}"#,
        taken.local_addr().unwrap()
    ))
    .await;
    let error = gateway.run().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("`b`"), "{cause}");
    assert!(tokio::net::TcpListener::bind(free).await.is_ok());
}

#[tokio::test]
async fn every_sink_gets_every_record() {
    let (further, others) = records();
    let line = Line::with("", |builder| builder.sink(further)).await;
    line.chat(&[]).await.collect().await.unwrap();
    let (one, other) = (line.records.only().await, others.only().await);
    assert_eq!(one.id, other.id);
    assert_eq!(one.usage(), other.usage());
}

#[tokio::test]
async fn a_refused_configuration_is_told_with_its_lines() {
    let text =
        "schemaVersion: 1\nroutes:\n- {backend: nowhere}\nbackends:\n- {name: now, echo: {}}\n";
    let source = ValueSource::text(text);
    let refused = Gateway::builder().source(source).build().await.unwrap_err();
    let text = refused.to_string();
    for part in ["there is no backend `nowhere`", "<text>:3"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
