//! Claims about rate limits.

use futures_util::FutureExt;
use http::HeaderMap;
use portcullis_core::Request;
use portcullis_core::assemble::Level;
use portcullis_core::body::Body;
use portcullis_core::config::PolicyEntry;
use portcullis_core::context::{Context, Credential, Principal};
use portcullis_core::error::Error;
use portcullis_core::llm::{Llm, LlmRequest, LlmResponse};
use portcullis_core::protocol::{ArcLayer, ArcService, Http};
use serde_json::{Value, json};
use tower::Layer;

use crate::codes;
use crate::testing::llm::{call, chat, upstream};
use crate::testing::{built, configured, configured_on, echo, refused};

fn http(body: Value) -> ArcService<Http> {
    configured("rateLimit", body).unwrap().layer(echo())
}

fn typed(name: &str, body: Value, used: u64) -> ArcService<Llm> {
    let chain = built::<Llm>(vec![PolicyEntry::new(name, body)]).unwrap();
    assert_eq!((chain.http.len(), chain.typed.len()), (0, 1));
    ArcLayer::stack(&chain.typed, upstream(used))
}

async fn by(
    service: &ArcService<Http>,
    id: &str,
    headers: &[(&str, &str)],
) -> Result<HeaderMap, Error> {
    let context = Context::default();
    context.set_principal(Principal::new(id).by(Credential::ApiKey));
    let mut request = http::Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request: Request = request.extension(context).body(Body::empty()).unwrap();
    service
        .send(request)
        .await
        .map(|reply| reply.headers().clone())
}

async fn whole(service: &ArcService<Llm>, request: LlmRequest) -> Result<HeaderMap, Error> {
    let reply = service.send(request).await?;
    let headers = reply.head.headers.clone();
    reply.into_http().into_body().collect(1000).await?;
    Ok(headers)
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_key_and_come_back() {
    let limits = http(json!({"local": [{"requests": 2, "unit": "Minutes", "key": "apiKey.id"}]}));
    assert!(by(&limits, "a", &[]).await.is_ok());
    let headers = by(&limits, "a", &[]).await.unwrap();
    assert_eq!(headers["x-ratelimit-limit-requests"], "2");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(headers["x-ratelimit-reset-requests"], "1m1s");
    let error = by(&limits, "a", &[]).await.unwrap_err();
    assert_eq!(error.code(), &codes::RATE_LIMITED);
    assert_eq!(error.headers()["x-ratelimit-remaining-requests"], "0");
    let after = error.after().unwrap();
    assert!(by(&limits, "b", &[]).await.is_ok());
    tokio::time::advance(after).await;
    assert!(by(&limits, "a", &[]).await.is_ok());
    assert!(by(&limits, "a", &[]).await.is_err());
}

#[tokio::test]
async fn callers_of_anthropic_get_its_headers() {
    let limits = http(json!({"local": [{"requests": 5, "unit": "Hours"}]}));
    let headers = by(&limits, "a", &[("anthropic-version", "2023-06-01")])
        .await
        .unwrap();
    assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "4");
    let reset = headers["anthropic-ratelimit-requests-reset"]
        .to_str()
        .unwrap();
    assert!(reset.parse::<jiff::Timestamp>().is_ok(), "{reset}");
    assert!(!headers.contains_key("x-ratelimit-limit-requests"));
}

#[tokio::test]
async fn all_limits_count_and_a_refusal_takes_nothing() {
    let limits = http(json!({"local": [
        {"requests": 10, "unit": "Days"},
        {"requests": 1, "unit": "Hours", "key": "apiKey.id"},
    ]}));
    assert!(by(&limits, "a", &[]).await.is_ok());
    for _ in 0..20 {
        assert!(by(&limits, "a", &[]).await.is_err());
    }
    let headers = by(&limits, "b", &[]).await.unwrap();
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    for key in 0..8 {
        assert!(by(&limits, &key.to_string(), &[]).await.is_ok(), "{key}");
    }
    assert!(by(&limits, "last", &[]).await.is_err());
}

#[tokio::test]
async fn a_key_that_cannot_be_found_out_refuses() {
    let limits = http(json!({"local": [{"requests": 2, "unit": "Minutes", "key": "jwt.sub"}]}));
    let error = by(&limits, "a", &[]).await.unwrap_err();
    assert_eq!(error.code(), &codes::LIMIT_KEY_MISSING);
    let long =
        http(json!({"local": [{"requests": 1, "unit": "Minutes", "key": "request.headers.k"}]}));
    let (one, other) = ("k".repeat(1000), "k".repeat(1001));
    assert!(by(&long, "a", &[("k", &one)]).await.is_ok());
    assert!(by(&long, "a", &[("k", &one)]).await.is_err());
    assert!(by(&long, "a", &[("k", &other)]).await.is_ok());
}

#[tokio::test]
async fn tokens_are_reserved_before_and_settled_after() {
    let limits = typed(
        "rateLimit",
        json!({"local": [{"tokens": 1000, "unit": "Months"}]}),
        400,
    );
    let context = Context::default();
    // 25 of input, 75 asked for.
    let first = limits.send(chat("m", 75, &context).await).await.unwrap();
    assert_eq!(first.head.headers["x-ratelimit-remaining-tokens"], "900");
    let second = limits
        .send(chat("m", 800, &Context::default()).await)
        .await
        .unwrap();
    assert_eq!(second.head.headers["x-ratelimit-remaining-tokens"], "75");
    let third = limits.send(chat("m", 75, &Context::default()).await).await;
    assert_eq!(third.unwrap_err().code(), &codes::RATE_LIMITED);
    for reply in [first, second] {
        reply.into_http().into_body().collect(1000).await.unwrap();
    }
    // 400 each, whatever they reserved.
    let headers = whole(&limits, chat("m", 75, &Context::default()).await)
        .await
        .unwrap();
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "100");
    let over = limits.send(chat("m", 0, &Context::default()).await).await;
    assert_eq!(over.unwrap_err().code(), &codes::RATE_LIMITED);
}

/// What is left of 1,000 tokens after `f` had its way with a call that reserves 125 and uses 10.
async fn left_after<F: Future<Output = ()>>(f: impl FnOnce(ArcService<Llm>) -> F) -> String {
    let limits = typed(
        "rateLimit",
        json!({"local": [{"tokens": 1000, "unit": "Months"}]}),
        10,
    );
    f(limits.clone()).await;
    let reply = limits
        .send(call("/models", &json!({}), &Context::default()).await)
        .await
        .unwrap();
    reply.head.headers["x-ratelimit-remaining-tokens"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn what_was_used_is_settled_however_a_call_ends() {
    let completed = left_after(async |limits| {
        whole(&limits, chat("m", 100, &Context::default()).await)
            .await
            .unwrap();
    });
    assert_eq!(completed.await, "990");
    let left_unread = left_after(async |limits| {
        drop(
            limits
                .send(chat("m", 100, &Context::default()).await)
                .await
                .unwrap(),
        );
    });
    assert_eq!(left_unread.await, "990");
    let failed = left_after(async |limits| {
        limits
            .send(chat("broken", 100, &Context::default()).await)
            .await
            .unwrap_err();
    });
    assert_eq!(failed.await, "990");
    let left_before_the_reply = left_after(async |limits| {
        let waiting = limits.send(chat("hanging", 100, &Context::default()).await);
        assert!(waiting.now_or_never().is_none());
    });
    assert_eq!(left_before_the_reply.await, "990");
    let never_polled = left_after(async |limits| {
        drop(limits.send(chat("m", 100, &Context::default()).await));
    });
    // Nothing is known of what became of it: what was reserved counts.
    assert_eq!(never_polled.await, "875");
}

#[tokio::test]
async fn a_thousand_streams_at_once_overshoot_by_their_errors_at_most() {
    let limits = typed(
        "rateLimit",
        json!({"local": [{"tokens": 10_000, "unit": "Months"}]}),
        120,
    );
    let mut open: Vec<LlmResponse> = Vec::new();
    for _ in 0..1000 {
        open.extend(
            limits
                .send(chat("m", 75, &Context::default()).await)
                .await
                .ok(),
        );
    }
    assert_eq!(open.len(), 100, "each reserves 100");
    drop(open);
    // 100 streams used 120 each: 2,000 over, which is 100 times the error of 20.
    let refused = limits
        .send(chat("m", 0, &Context::default()).await)
        .await
        .unwrap_err();
    let month = 30.0 * 24.0 * 3600.0;
    let wait = refused.after().unwrap().as_secs_f64();
    assert!(
        (wait - month * (2000.0 + 25.0) / 10_000.0).abs() < 2.0,
        "{wait}"
    );
}

#[tokio::test]
async fn calls_that_are_not_read_are_refused_unless_they_may_pass() {
    let limits = json!({"local": [{"tokens": 1000, "unit": "Days"}]});
    let mut allow = limits.clone();
    allow["unmodelled"] = json!("Allow");
    let upload = async || call("/files", &json!({}), &Context::default()).await;
    let error = typed("rateLimit", limits, 1)
        .send(upload().await)
        .await
        .unwrap_err();
    assert_eq!(error.code(), &codes::UNINSPECTABLE);
    assert!(
        typed("rateLimit", allow, 1)
            .send(upload().await)
            .await
            .is_ok()
    );
}

#[test]
fn limits_that_make_no_sense_are_refused_at_their_place() {
    for (local, said) in [
        (json!([]), "/p/local: there must be 1 to 16 limits"),
        (
            json!([{"unit": "Days"}]),
            "/p/local/0: exactly one of `requests` and `tokens` is needed",
        ),
        (
            json!([{"requests": 0, "unit": "Days"}]),
            "/p/local/0/requests: none would refuse every call; use `authorization` for that",
        ),
        (
            json!([{"requests": 1, "unit": "Day"}, {"requests": 2, "unit": "Days"}]),
            "/p/local/1: two limits of the same kind, unit and key, of which only the lower one matters, see /p/local/0",
        ),
        (
            json!([{"requests": 1, "unit": "Fortnight"}]),
            "/p/local/0/unit: not one of `Second`, `Seconds`",
        ),
    ] {
        let told = refused("rateLimit", json!({"local": local}));
        assert!(told.starts_with(said), "{told}");
    }
    let limit = json!({"local": [{"requests": 1, "unit": "Days"}]});
    let error = configured_on(Level::Backend, "rateLimit", limit).unwrap_err();
    assert_eq!(
        error.hint.as_deref(),
        Some("put it on a listener or a route")
    );
}
