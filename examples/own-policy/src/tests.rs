use portcullis::core::body::Body;
use tower::ServiceExt;

use super::*;

async fn ask(model: &str) -> (u16, String) {
    let gateway = gateway(CONFIG).await.unwrap();
    let (listener, _) = gateway.listeners().remove(0);
    let body =
        format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}"#);
    let request = http::Request::post("/v1/chat/completions").body(Body::from(body));
    let reply = gateway.service(&listener).oneshot(request.unwrap()).await;
    let (head, body) = reply.unwrap().into_parts();
    let body = body.collect(1 << 16).await.unwrap();
    (
        head.status.as_u16(),
        String::from_utf8(body.into()).unwrap(),
    )
}

#[tokio::test]
async fn an_allowed_model_answers() {
    assert_eq!(ask("echo").await.0, 200);
}

#[tokio::test]
async fn another_is_refused_in_the_callers_dialect() {
    let (status, body) = ask("big").await;
    assert_eq!(status, 403);
    assert!(body.contains(r#""code":"model_not_allowed""#), "{body}");
}

#[tokio::test]
async fn a_mistake_in_its_configuration_is_shown_in_its_place() {
    let refused = gateway(&CONFIG.replace("[echo]", "[]")).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("no model would be allowed"), "{text}");
    assert!(text.contains("<text>:6:29"), "{text}");
}
