//! A protocol that is not LLM, made with nothing but core's traits: one message or control per request,
//! replies that are nothing, one message or a stream in which the server asks too.

mod codec;
mod protocol;
mod server;

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use http::{Method, StatusCode};
use portcullis_core::Response;
use portcullis_core::body::{Body, End, Ended};
use portcullis_core::context::{Context, Outcome};
use portcullis_core::protocol::{ArcService, DecodeLayer};
use portcullis_core::respond::RespondLayer;
use serde_json::{Value, json};
use tower::ServiceBuilder;

use crate::call::{MAX, finish, next, recorded, watch};

use codec::JsonRpc;
pub(crate) use codec::{McpCodec, SESSION};
pub(crate) use protocol::{Ask, Mcp, McpOutput, McpReply, McpRequest};
use server::Server;

/// The fake server behind a policy that notes how each reply ends, with whether the server had been told
/// by then that its listener is gone.
fn watched(server: &Arc<Server>) -> (ArcService<Mcp>, mpsc::Receiver<(End, usize)>) {
    let (send, told) = mpsc::channel();
    let (serve, look) = (server.clone(), server.clone());
    let inner = ArcService::from_fn(move |request| serve.clone().answer(request));
    let service = watch(inner, move |end| {
        send.send((end, look.listeners())).ok();
    });
    (service, told)
}

/// Sends one HTTP exchange of session `s`.
async fn exchange(
    service: &ArcService<Mcp>,
    method: Method,
    body: &Value,
    context: &Context,
) -> Response {
    let line = ServiceBuilder::new()
        .layer(RespondLayer::new(|_: &_| Arc::new(JsonRpc) as _))
        .layer(DecodeLayer::new(Arc::new(McpCodec)))
        .service(service.clone());
    let body = match body {
        Value::Null => Body::empty(),
        body => body.to_string().into(),
    };
    let request = http::Request::builder().method(method).uri("/mcp");
    let mut request = request.header(SESSION, "s").body(body).unwrap();
    request.extensions_mut().insert(context.clone());
    finish(line, request).await
}

async fn post(service: &ArcService<Mcp>, body: Value) -> Response {
    exchange(service, Method::POST, &body, &Context::default()).await
}

async fn json_of(reply: Response) -> Value {
    let body = reply.into_body().collect(MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn call(id: u64, method: &str) -> Value {
    json!({"id": id, "method": method})
}

fn event(message: &Value) -> Bytes {
    format!("data: {message}\n\n").into()
}

#[tokio::test]
async fn a_notification_is_accepted_without_a_body() {
    let (service, told) = watched(&Arc::default());
    let reply = post(&service, json!({"method": "initialized"})).await;
    assert_eq!(reply.status(), StatusCode::ACCEPTED);
    assert_eq!(reply.into_body().bytes().unwrap(), "");
    assert_eq!(told.recv().unwrap().0.how, Ended::Completed);
}

#[tokio::test]
async fn a_batch_is_one_exchange_and_as_many_calls() {
    let (service, told) = watched(&Arc::default());
    let batch = json!([call(1, "echo"), {"method": "initialized"}, call(2, "fail")]);
    let (context, records) = recorded();
    let hold = context.hold();
    let reply = exchange(&service, Method::POST, &batch, &context).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let failed = json!({"id": 2, "error": {"code": "invalid_field"}});
    let expected = json!([{"id": 1, "result": "echo"}, failed]);
    assert_eq!(json_of(reply).await, expected);
    assert_eq!(
        told.try_iter().count(),
        2,
        "the failed call has no reply to end"
    );
    drop(hold);
    let record = records.recv().unwrap();
    assert_eq!(record.protocol, "mcp");
    assert!(matches!(record.outcome, Outcome::Failed(code) if code.name == "invalid_field"));
}

#[tokio::test]
async fn a_batch_of_notifications_is_accepted() {
    let (service, _) = watched(&Arc::default());
    let reply = post(&service, json!([{"method": "a"}, {"method": "b"}])).await;
    assert_eq!(reply.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_as_json_rpc_without_an_id() {
    let (service, _) = watched(&Arc::default());
    let reply = post(&service, json!("no message")).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    let expected = json!({"id": null, "error": {"code": "body_not_json"}});
    assert_eq!(json_of(reply).await, expected);
}

#[tokio::test]
async fn the_answer_to_the_servers_question_comes_in_another_exchange() {
    let server = Arc::<Server>::default();
    let (service, told) = watched(&server);
    let reply = post(&service, call(1, "askUser")).await;
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    let mut stream = reply.into_body();
    let question = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(question, event(&call(900, "elicit")));

    let answer = post(&service, json!({"id": 900, "result": "blue"})).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(told.recv().unwrap().0.how, Ended::Completed);

    let result = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(result, event(&json!({"id": 1, "result": "blue"})));
    assert!(next(&mut stream).await.is_none());
    assert_eq!(told.recv().unwrap().0.how, Ended::Completed);
}

#[tokio::test]
async fn an_answer_nobody_waits_for_is_refused_with_its_id() {
    let (service, _) = watched(&Arc::default());
    let answer = post(&service, json!({"id": 7, "result": 1})).await;
    let expected = json!({"id": 7, "error": {"code": "invalid_field"}});
    assert_eq!(json_of(answer).await, expected);
}

#[tokio::test]
async fn a_long_lived_stream_ends_once_when_the_client_leaves() {
    let server = Arc::<Server>::default();
    let (service, told) = watched(&server);
    let context = Context::default();
    let reply = exchange(&service, Method::GET, &Value::Null, &context).await;
    let mut stream = reply.into_body();
    server.notify("s", json!({"method": "listChanged"}));
    let first = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(first, event(&json!({"method": "listChanged"})));
    assert_eq!(server.listeners(), 1);
    assert!(told.try_recv().is_err());

    drop(stream);
    let (end, listeners) = told.recv().unwrap();
    assert_eq!(end.how, Ended::Left);
    assert_eq!(
        listeners, 0,
        "the server's end is gone before anyone is told"
    );
    assert!(told.try_recv().is_err(), "told once");
}

#[tokio::test]
async fn closing_the_session_completes_its_stream() {
    let server = Arc::<Server>::default();
    let (service, told) = watched(&server);
    let context = Context::default();
    let stream = exchange(&service, Method::GET, &Value::Null, &context).await;
    exchange(&service, Method::DELETE, &Value::Null, &context).await;
    assert_eq!(
        told.recv().unwrap().0.how,
        Ended::Completed,
        "of the closing"
    );
    assert_eq!(stream.into_body().collect(MAX).await.unwrap(), "");
    assert_eq!(
        told.recv().unwrap().0.how,
        Ended::Completed,
        "of the stream"
    );
}
