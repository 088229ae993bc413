use portcullis_core::context::{Exchange, Outcome, Tokens};
use portcullis_core::protocol::ArcService;
use portcullis_testkit::{Operation as Asked, Shape, shape, shapes};
use serde_json::{Value, json};

use super::*;
use crate::fake::{Fake, reply, request};

const STREAM: &[(&str, &str)] = &[("content-type", "text/event-stream; charset=utf-8")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const CALL: &str = r#"{"model":"m","stream":true}"#;

/// A host compatible with OpenAI, with a setting.
fn compatible(more: (&str, Value)) -> Value {
    let mut config = json!({"provider": "openai-compatible", "baseUrl": "http://h/v1"});
    config[more.0] = more.1;
    config
}

/// The same, as it is without settings.
fn plain() -> Value {
    compatible(("usage", "ask".into()))
}

/// The reply to a chat call, and what was recorded.
async fn asked(
    fake: &Fake,
    config: Value,
    body: &'static str,
) -> (Result<http::Response<bytes::Bytes>, Error>, Exchange) {
    let service = fake.backend("llm", config).unwrap();
    let call = request("POST /v1/chat/completions", &[], body);
    fake.call(&service, call).await
}

fn answering(headers: &'static [(&'static str, &'static str)], body: &'static [u8]) -> Fake {
    Fake::new(move |_| Ok(reply(200, headers, bytes::Bytes::from_static(body))))
}

fn recorded(name: &str) -> &'static Shape {
    shape(name).unwrap()
}

#[tokio::test]
async fn the_event_asked_for_is_read_and_kept_from_a_caller_who_did_not_ask() {
    let upstream = recorded("chat-stream-usage").response_body;
    let fake = answering(STREAM, upstream);
    let (replied, record) = asked(&fake, plain(), CALL).await;
    assert_eq!(
        fake.only().body,
        r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#
    );
    let text = std::str::from_utf8(upstream).unwrap();
    let frames = text.split_inclusive("\n\n");
    let kept: String = frames.filter(|f| !f.contains("\"choices\":[]")).collect();
    assert_eq!(replied.unwrap().body(), kept.as_bytes());
    assert!(kept.len() < text.len());
    assert_eq!(record.usage(), Some(Tokens::new(14, 6)));
}

#[tokio::test]
async fn the_hidden_event_is_hidden_wherever_the_stream_is_split() {
    let upstream = recorded("chat-stream-usage").response_body;
    let whole = answering(STREAM, upstream);
    let wanted = asked(&whole, plain(), CALL).await.0.unwrap().into_body();
    for at in (0..upstream.len()).step_by(13) {
        let fake = Fake::new(move |_| {
            let (before, after) = upstream.split_at(at);
            let chunks = [before, after].map(|chunk| {
                let data = http_body::Frame::data(bytes::Bytes::from_static(chunk));
                Ok::<_, std::convert::Infallible>(data)
            });
            let body = http_body_util::StreamBody::new(futures_util::stream::iter(chunks));
            Ok(reply(200, STREAM, Body::new(body)))
        });
        let (replied, record) = asked(&fake, plain(), CALL).await;
        assert_eq!(replied.unwrap().into_body(), wanted, "split at {at}");
        assert_eq!(record.usage(), Some(Tokens::new(14, 6)));
    }
}

#[tokio::test]
async fn a_caller_who_asked_gets_every_byte() {
    let upstream = recorded("chat-stream-usage").response_body;
    let fake = answering(STREAM, upstream);
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let (replied, record) = asked(&fake, plain(), body).await;
    assert_eq!(fake.only().body, body);
    assert_eq!(replied.unwrap().body(), upstream);
    assert_eq!(record.usage(), Some(Tokens::new(14, 6)));
}

#[tokio::test]
async fn passive_changes_nothing_and_estimates() {
    let upstream = recorded("chat-stream").response_body;
    let fake = answering(STREAM, upstream);
    let (replied, record) = asked(&fake, compatible(("usage", "passive".into())), CALL).await;
    assert_eq!(fake.only().body, CALL);
    assert_eq!(replied.unwrap().body(), upstream);
    assert!(record.usage().unwrap().estimated);
}

#[tokio::test]
async fn azures_first_chunk_is_not_taken_for_the_usage_chunk() {
    let upstream = recorded("chat-stream-azure").response_body;
    let fake = answering(STREAM, upstream);
    let (replied, _) = asked(&fake, plain(), CALL).await;
    let replied = replied.unwrap();
    let text = std::str::from_utf8(replied.body()).unwrap();
    assert!(text.contains("prompt_filter_results"));
    assert!(!text.contains("prompt_tokens"));
}

#[tokio::test]
async fn a_stream_never_promises_a_length() {
    let headers = &[
        ("content-type", "Text/Event-Stream"),
        ("content-length", "1"),
    ];
    let fake = answering(headers, recorded("chat-stream-usage").response_body);
    let (replied, _) = asked(&fake, plain(), CALL).await;
    assert!(!replied.unwrap().headers().contains_key("content-length"));
}

#[tokio::test]
async fn options_that_are_no_object_are_refused_before_anything_is_sent() {
    let fake = answering(STREAM, b"");
    let body = r#"{"model":"m","stream":true,"stream_options":7}"#;
    let (replied, _) = asked(&fake, plain(), body).await;
    let e = replied.unwrap_err();
    assert_eq!(e.code(), &codes::INVALID_FIELD);
    assert_eq!(e.at_param(), Some("stream_options"));
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn every_recorded_reply_reaches_its_caller_byte_for_byte() {
    for shape in shapes() {
        let fake = Fake::new(|_| {
            let body = bytes::Bytes::from_static(shape.response_body);
            Ok(reply(shape.status.as_u16(), &shape.response_headers, body))
        });
        let config = if is_anthropics(shape) {
            json!({"provider": "anthropic", "apiKey": "k"})
        } else {
            json!({"provider": "openai", "apiKey": "k", "usage": "passive"})
        };
        let service: ArcService<Llm> = fake.backend("llm", config).unwrap();
        let line = format!("{} {}", shape.method, shape.path);
        let call = request(
            &line,
            &shape.request_headers,
            bytes::Bytes::from_static(shape.request_body),
        );
        let (replied, record) = fake.call(&service, call).await;
        assert_eq!(fake.only().body, shape.request_body, "{}", shape.name);
        let cut = shape.name == "chat-stream-cut-json";
        assert_eq!(replied.is_err(), cut, "{}", shape.name);
        let Ok(replied) = replied else { continue };
        assert_eq!(replied.status(), shape.status, "{}", shape.name);
        assert_eq!(replied.body(), shape.response_body, "{}", shape.name);
        assert_eq!(record.attempts[0].status, Some(shape.status));
    }
}

fn is_anthropics(shape: &Shape) -> bool {
    matches!(shape.operation, Asked::Messages | Asked::CountTokens)
        || shape.path.starts_with("/v1/models")
            && shape
                .request_headers
                .iter()
                .any(|(n, _)| *n == "anthropic-version")
}

#[tokio::test]
async fn an_upstreams_error_is_its_own_words() {
    let body = " {\"error\": {\"message\":\"slow down\" }}\n";
    let fake = Fake::new(move |_| {
        let headers = [
            ("content-type", "application/json"),
            ("retry-after", "3"),
            ("connection", "close"),
        ];
        Ok(reply(429, &headers, body))
    });
    let (replied, record) = asked(&fake, plain(), CALL).await;
    let replied = replied.unwrap();
    assert_eq!(
        (replied.status().as_u16(), replied.body().as_ref()),
        (429, body.as_bytes())
    );
    assert_eq!(replied.headers()["retry-after"], "3");
    assert!(!replied.headers().contains_key("connection"));
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
    assert_eq!(record.usage(), None);
}

#[tokio::test]
async fn a_document_larger_than_held_is_the_upstreams_fault() {
    let fake = answering(JSON, b"{\"a\":1234567890}");
    let small = compatible(("maxReplyBytes", 8.into()));
    let (replied, record) = asked(&fake, small.clone(), r#"{"model":"m"}"#).await;
    let e = replied.unwrap_err();
    assert_eq!(
        (e.code(), e.status().as_u16()),
        (&codes::UPSTREAM_TOO_LARGE, 502)
    );
    assert_eq!(
        record.attempts[0].outcome,
        Outcome::Failed(&codes::UPSTREAM_TOO_LARGE)
    );

    let stream = answering(STREAM, recorded("chat-stream").response_body);
    asked(&stream, small, CALL).await.0.unwrap();
}

#[tokio::test]
async fn a_broken_reply_is_not_called_a_broken_request() {
    let fake = Fake::new(|_| {
        let broken = futures_util::stream::iter([Err::<http_body::Frame<bytes::Bytes>, _>(
            Error::new(&codes::BODY_BROKEN, "it ended early"),
        )]);
        let body = Body::new(http_body_util::StreamBody::new(broken));
        Ok(reply(200, JSON, body))
    });
    let (replied, _) = asked(&fake, plain(), r#"{"model":"m"}"#).await;
    assert_eq!(replied.unwrap_err().code(), &codes::UPSTREAM_BROKEN);
}

#[tokio::test]
async fn a_compressed_reply_passes_unread() {
    let headers = &[
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let fake = answering(headers, b"\x1f\x8b\x08...");
    let (replied, record) = asked(&fake, plain(), CALL).await;
    let replied = replied.unwrap();
    assert_eq!(replied.body().as_ref(), b"\x1f\x8b\x08...");
    assert_eq!(replied.headers()["content-encoding"], "gzip");
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_head_request_and_its_promised_length_pass() {
    let headers = &[
        ("content-type", "application/json"),
        ("content-length", "512"),
    ];
    let fake = answering(headers, b"");
    let service = fake.backend("llm", plain()).unwrap();
    let call = request("HEAD /v1/models", &[], "");
    let replied = fake.call(&service, call).await.0.unwrap();
    assert_eq!(fake.only().method, Method::HEAD);
    assert_eq!(replied.headers()["content-length"], "512");
}

#[tokio::test]
async fn a_body_that_was_used_up_is_not_sent_again_empty() {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", plain()).unwrap();
    let twice = ArcService::from_fn(move |request: LlmRequest| {
        let service = service.clone();
        async move {
            service.send(request.clone()).await?;
            service.send(request).await
        }
    });
    let call = request("POST /v1/audio/speech", &[], "once");
    let e = fake.call(&twice, call).await.0.unwrap_err();
    assert_eq!(e.code(), &codes::NOT_REPLAYABLE);
    assert_eq!(fake.only().body, "once");
}
