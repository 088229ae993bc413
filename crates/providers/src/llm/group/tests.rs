use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use portcullis_core::body::Body;
use portcullis_core::context::{Exchange, Outcome, Reason};
use portcullis_core::error::{Error, codes};
use serde_json::{Value, json};

use crate::fake::{Fake, reply, request};

const CHAT: &str = "POST /v1/chat/completions";
const ASK: &str = r#"{"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}"#;
const ASK_STREAM: &str =
    r#"{"model": "gpt-x", "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
const WHOLE: &str = r#"{"choices":[{"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;
pub(super) const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
pub(super) const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"}}]}\n\n";
pub(super) const STOP: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const ERROR: &str =
    "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\n";

type Answer = Result<http::Response<Body>, Error>;

/// Two hosts, `a` and `b`, and what each answers.
fn hosts(
    a: impl Fn() -> Answer + Send + Sync + 'static,
    b: impl Fn() -> Answer + Send + Sync + 'static,
) -> Fake {
    Fake::new(move |seen| match seen.uri.host() {
        Some("a") => a(),
        _ => b(),
    })
}

fn provider(host: &str) -> Value {
    json!({"name": host, "provider": "openai-compatible", "baseUrl": format!("http://{host}/v1"), "apiKey": format!("key-{host}")})
}

fn groups() -> Value {
    json!({"groups": [{"providers": [provider("a")]}, {"providers": [provider("b")]}]})
}

fn whole() -> Answer {
    Ok(reply(200, &[("content-type", "application/json")], WHOLE))
}

fn events(parts: &[&str]) -> Answer {
    Ok(reply(
        200,
        &[("content-type", "text/event-stream")],
        parts.concat(),
    ))
}

fn status(status: u16, headers: &[(&str, &str)], body: &'static str) -> Answer {
    Ok(reply(status, headers, body))
}

/// What a caller sees of one call: status, headers, body or the code of an error; and the record.
async fn ask(fake: &Fake, config: Value, body: &'static str) -> (Seen, Exchange) {
    let service = fake.backend("llm", config).unwrap();
    let (replied, record) = fake.call(&service, request(CHAT, &[], body)).await;
    let seen = match replied {
        Ok(reply) => Seen {
            status: reply.status().as_u16(),
            headers: reply
                .headers()
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
                .collect(),
            body: String::from_utf8(reply.body().to_vec()).unwrap(),
        },
        Err(e) => Seen {
            status: e.status().as_u16(),
            headers: HashMap::new(),
            body: e.code().name.to_owned(),
        },
    };
    (seen, record)
}

#[derive(Debug)]
struct Seen {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

fn asked(fake: &Fake) -> Vec<String> {
    let seen = fake.seen().into_iter();
    seen.map(|seen| seen.uri.host().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_reply_goes_on_to_the_next_group() {
    for (name, answer) in [
        (
            "refused",
            Box::new(|| Err(Error::new(&codes::UPSTREAM_UNREACHABLE, "x")))
                as Box<dyn Fn() -> Answer + Send + Sync>,
        ),
        (
            "reset",
            Box::new(|| Err(Error::new(&codes::UPSTREAM_BROKEN, "x"))),
        ),
        (
            "timeout",
            Box::new(|| Err(Error::new(&codes::UPSTREAM_TIMEOUT, "x"))),
        ),
        (
            "429",
            Box::new(|| status(429, &[("retry-after", "60")], "{}")),
        ),
        ("500", Box::new(|| status(500, &[], "{}"))),
        ("503", Box::new(|| status(503, &[], "{}"))),
        ("529", Box::new(|| status(529, &[], "{}"))),
        ("408", Box::new(|| status(408, &[], "{}"))),
        ("401", Box::new(|| status(401, &[], "{}"))),
        ("404", Box::new(|| status(404, &[], "{}"))),
        (
            "no JSON",
            Box::new(|| status(200, &[("content-type", "application/json")], "<html>")),
        ),
    ] {
        let fake = hosts(answer, whole);
        let (seen, record) = ask(&fake, groups(), ASK).await;
        assert_eq!((seen.status, &*seen.body), (200, WHOLE), "{name}");
        assert_eq!(seen.headers["portcullis-served-by"], "main/b", "{name}");
        assert_eq!(seen.headers["portcullis-attempts"], "2", "{name}");
        assert_eq!(asked(&fake), ["a", "b"], "{name}");
        let reasons: Vec<_> = record
            .attempts
            .iter()
            .map(|a| (&*a.endpoint, a.reason))
            .collect();
        assert_eq!(
            reasons,
            [("main/a", Reason::First), ("main/b", Reason::Failover)],
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_caller_did_is_told_the_caller_at_once() {
    for body in [
        r#"{"error":{"message":"no such field","type":"invalid_request_error"}}"#,
        r#"{"error":{"code":"content_filter","message":"the response was filtered"}}"#,
        r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#,
    ] {
        let fake = hosts(move || status(400, &[], body), whole);
        let (seen, _) = ask(&fake, groups(), ASK).await;
        assert_eq!((seen.status, &*seen.body), (400, body));
        assert_eq!(asked(&fake), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_too_long_goes_to_a_larger_window_only() {
    const LONG: &str = r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#;
    let windows = |a: u64, b: u64| {
        let mut config = groups();
        config["groups"][0]["providers"][0]["contextWindow"] = a.into();
        config["groups"][1]["providers"][0]["contextWindow"] = b.into();
        config
    };
    let fake = hosts(|| status(400, &[], LONG), whole);
    assert_eq!(ask(&fake, windows(1000, 2000), ASK).await.0.status, 200);
    let fake = hosts(|| status(400, &[], LONG), whole);
    assert_eq!(ask(&fake, windows(2000, 2000), ASK).await.0.body, LONG);
    assert_eq!(asked(&fake), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_event_before_the_first_content_fails_over_and_one_behind_it_does_not() {
    let fake = hosts(|| events(&[ROLE, ERROR]), || events(&[ROLE, TEXT, STOP]));
    let (seen, record) = ask(&fake, groups(), ASK_STREAM).await;
    assert_eq!(seen.body, [ROLE, TEXT, STOP].concat());
    assert_eq!(
        record.attempts[0].outcome,
        Outcome::Failed(&codes::UPSTREAM_BROKEN)
    );
    assert_eq!(record.attempts[1].outcome, Outcome::Completed);
    let fake = hosts(
        || events(&[ROLE, TEXT, ERROR]),
        || events(&[ROLE, TEXT, STOP]),
    );
    let (seen, _) = ask(&fake, groups(), ASK_STREAM).await;
    assert_eq!(seen.body, [ROLE, TEXT, ERROR].concat());
    assert_eq!(asked(&fake), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_or_unreadable_before_its_first_content_fails_over() {
    for parts in [&[ROLE][..], &[], &[ROLE, "data: {not json\n\n"]] {
        let first = parts.concat();
        let fake = hosts(move || events(&[&first]), || events(&[ROLE, TEXT, STOP]));
        let (seen, record) = ask(&fake, groups(), ASK_STREAM).await;
        assert_eq!(seen.body, [ROLE, TEXT, STOP].concat(), "{parts:?}");
        assert_eq!(record.attempts.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_caller_is_told_what_says_most() {
    let unauthorized = r#"{"error":{"message":"bad key"}}"#;
    let limited = r#"{"error":{"message":"slow down"}}"#;
    let fake = hosts(
        move || status(429, &[("retry-after", "60")], limited),
        move || status(401, &[], unauthorized),
    );
    let (seen, record) = ask(&fake, groups(), ASK).await;
    assert_eq!((seen.status, &*seen.body), (429, limited));
    assert_eq!(seen.headers["portcullis-attempts"], "2");
    assert_eq!(record.attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_provider_is_asked_again_where_that_is_wanted_after_the_time_it_asks_for() {
    let mut config = provider("a");
    config.as_object_mut().unwrap().remove("name");
    let count = Arc::new(Mutex::new(0));
    let fake = hosts(
        move || {
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => status(500, &[], "{}"),
                2 => status(429, &[("retry-after", "3")], "{}"),
                _ => whole(),
            }
        },
        whole,
    );
    let began = tokio::time::Instant::now();
    config["retry"] = json!({});
    let (seen, record) = ask(&fake, config, ASK).await;
    assert_eq!(
        (seen.status, &*seen.headers["portcullis-attempts"]),
        (200, "3")
    );
    assert!(
        (3.0..4.0).contains(&began.elapsed().as_secs_f64()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(record.attempts[2].reason, Reason::Retry);
}

#[tokio::test(start_paused = true)]
async fn one_provider_without_retry_is_asked_once_and_nothing_is_added() {
    let mut config = provider("a");
    config.as_object_mut().unwrap().remove("name");
    let fake = hosts(|| status(500, &[], "{}"), whole);
    let (seen, _) = ask(&fake, config, ASK).await;
    assert_eq!(seen.status, 500);
    assert!(!seen.headers.contains_key("portcullis-attempts"));
    assert_eq!(asked(&fake), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_says_nothing_of_who_served_it_where_that_is_switched_off() {
    let mut config = groups();
    config["servedBy"] = false.into();
    let (seen, _) = ask(&hosts(|| status(500, &[], "{}"), whole), config, ASK).await;
    assert!(
        seen.headers
            .keys()
            .all(|name| !name.starts_with("portcullis-"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_used_up_goes_nowhere_else() {
    let fake = hosts(|| status(500, &[], "{}"), whole);
    let service = fake.backend("llm", groups()).unwrap();
    let streamed = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
        [Ok::<_, std::convert::Infallible>(http_body::Frame::data(
            "audio".into(),
        ))],
    )));
    let call = request("POST /v1/audio/transcriptions", &[], streamed);
    let (replied, _) = fake.call(&service, call).await;
    assert_eq!(replied.unwrap().status(), 500);
    assert_eq!(asked(&fake), ["a"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let mut twice = groups();
    twice["groups"][1]["providers"][0]["name"] = "a".into();
    let mut beside = groups();
    beside["apiKey"] = "sk-x".into();
    let mut weight = groups();
    weight["groups"][1]["providers"][0]["weight"] = 2_000_000.into();
    let mut unknown = groups();
    unknown["groups"][0]["providers"][0]["provider"] = "opneai".into();
    let mut hedge = groups();
    hedge["hedge"] = json!({"quantile": 95});
    for (config, at) in [
        (twice, "/llm/groups/1/providers/0"),
        (beside, "/llm/apiKey"),
        (weight, "/llm/groups/1/providers/0/weight"),
        (unknown, "/llm/groups/0/providers/0/provider"),
        (hedge, "/llm/hedge/quantile"),
        (json!({}), "/llm"),
        (
            json!({"groups": [{"providers": []}]}),
            "/llm/groups/0/providers",
        ),
        (
            json!({"provider": "openai", "apiKey": "k", "retry": {"attempts": 11}}),
            "/llm/retry/attempts",
        ),
    ] {
        let e = Fake::json("{}").backend("llm", &config).unwrap_err();
        assert_eq!(e.at.to_string(), at, "{config}");
    }
}
