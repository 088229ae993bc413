use portcullis_core::body::Body;
use portcullis_core::config::ConfigError;
use portcullis_core::context::Outcome;
use portcullis_core::error::codes;
use serde_json::{Value, json};

use super::*;
use crate::codes::MODELS_UNLISTED;
use crate::fake::{Fake, reply, request};

const CHAT: &str = "POST /v1/chat/completions";
const ASK: &str = r#"{"model": "gpt-x", "messages": [], "n": 1.0}"#;

fn openai() -> Value {
    json!({"provider": "openai", "apiKey": "sk-secret"})
}

fn anthropic() -> Value {
    json!({"provider": "anthropic", "apiKey": "sk-secret"})
}

fn refused(config: Value) -> ConfigError {
    Fake::json("{}").backend("llm", config).unwrap_err()
}

/// The URL and body a call leads to.
async fn written(config: Value, call: http::Request<Body>) -> crate::fake::Seen {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", config).unwrap();
    fake.call(&service, call).await.0.unwrap();
    fake.only()
}

#[tokio::test]
async fn a_call_goes_to_its_api_path_under_the_base_url() {
    let at = |base: &str| json!({"provider": "openai-compatible", "baseUrl": base});
    let anthropic_at = |base: &str| json!({"provider": "anthropic", "baseUrl": base});
    let messages = "POST /v1/messages?beta=true";
    for (config, line, url) in [
        (openai(), CHAT, "https://api.openai.com/v1/chat/completions"),
        (at("http://h:1/v1"), CHAT, "http://h:1/v1/chat/completions"),
        (at("http://h:1/v1/"), CHAT, "http://h:1/v1/chat/completions"),
        (at("http://h:1"), CHAT, "http://h:1/chat/completions"),
        (
            at("http://h/a/b/"),
            "POST /team/v1/embeddings",
            "http://h/a/b/embeddings",
        ),
        (
            anthropic(),
            messages,
            "https://api.anthropic.com/v1/messages?beta=true",
        ),
        (
            anthropic_at("http://h"),
            messages,
            "http://h/v1/messages?beta=true",
        ),
        (
            anthropic_at("http://h/"),
            messages,
            "http://h/v1/messages?beta=true",
        ),
        (
            anthropic_at("http://h/v1/"),
            messages,
            "http://h/v1/messages?beta=true",
        ),
        (
            anthropic_at("http://h/x"),
            messages,
            "http://h/x/v1/messages?beta=true",
        ),
        (
            openai(),
            "GET /v1/files/abc/content?a=b%20c&d",
            "https://api.openai.com/v1/files/abc/content?a=b%20c&d",
        ),
        (
            openai(),
            "DELETE /v1/models/ft%3Agpt%2Fx",
            "https://api.openai.com/v1/models/ft%3Agpt%2Fx",
        ),
        (
            openai(),
            "POST /v1/responses",
            "https://api.openai.com/v1/responses",
        ),
        (
            openai(),
            "GET /v1/models",
            "https://api.openai.com/v1/models",
        ),
        (
            openai(),
            "HEAD /v1/models",
            "https://api.openai.com/v1/models",
        ),
    ] {
        let seen = written(config, request(line, &[], ASK)).await;
        assert_eq!(seen.uri, url, "{line}");
        assert_eq!(seen.method, line.split(' ').next().unwrap());
        assert_eq!(seen.body, ASK, "the body goes on as it came");
    }
}

#[tokio::test]
async fn headers_go_on_but_for_those_of_the_hop_and_the_callers_credentials() {
    let call = request(
        CHAT,
        &[
            ("host", "gateway.example"),
            ("authorization", "Bearer callers"),
            ("x-api-key", "callers"),
            ("api-key", "callers"),
            ("cookie", "callers"),
            ("proxy-authorization", "callers"),
            ("connection", "keep-alive, x-once"),
            ("x-once", "1"),
            ("te", "trailers"),
            ("accept-encoding", "gzip"),
            ("x-portcullis-model", "m"),
            ("content-type", "application/json"),
            ("openai-organization", "org"),
            ("x-stainless-lang", "python"),
            ("x-twice", "a"),
            ("x-twice", "b"),
        ],
        ASK,
    );
    let seen = written(openai(), call).await;
    let mut headers: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    assert_eq!(
        headers,
        [
            "authorization: Bearer sk-secret",
            "content-type: application/json",
            "openai-organization: org",
            "x-stainless-lang: python",
            "x-twice: a",
            "x-twice: b",
        ]
    );
    assert!(seen.headers["authorization"].is_sensitive());
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_in_its_place() {
    let config = json!({"provider": "openai-compatible", "baseUrl": "http://h/v1"});
    let call = request(CHAT, &[("authorization", "Bearer callers")], ASK);
    assert!(written(config, call).await.headers.is_empty());
}

#[tokio::test]
async fn anthropic_gets_its_key_and_a_version_where_the_caller_sends_none() {
    let call = |version: &[(&str, &str)]| request("POST /v1/messages", version, ASK);
    let seen = written(anthropic(), call(&[])).await;
    assert_eq!(seen.headers["x-api-key"], "sk-secret");
    assert!(!seen.headers.contains_key("authorization"));
    assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
    let seen = written(anthropic(), call(&[("anthropic-version", "2026-10-21")])).await;
    let versions: Vec<_> = seen.headers.get_all("anthropic-version").iter().collect();
    assert_eq!(versions, ["2026-10-21"]);
}

#[tokio::test]
async fn a_model_of_the_configuration_replaces_the_callers_in_place() {
    let mut config = openai();
    config["model"] = "gpt-5-mini".into();
    let fake = Fake::json("{}");
    let service = fake.backend("llm", config).unwrap();
    let (_, record) = fake.call(&service, request(CHAT, &[], ASK)).await;
    let wanted = r#"{"model": "gpt-5-mini", "messages": [], "n": 1.0}"#;
    assert_eq!(fake.only().body, wanted);
    assert_eq!(record.model.as_deref(), Some("gpt-x"));
    assert_eq!(record.served_model.as_deref(), Some("gpt-5-mini"));
    assert_eq!(record.attempts[0].model.as_deref(), Some("gpt-5-mini"));
    assert_eq!(&*record.attempts[0].endpoint, "main/openai");
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_body_that_is_not_read_keeps_its_model_and_that_is_recorded() {
    let mut config = openai();
    config["model"] = "gpt-5-mini".into();
    let fake = Fake::json("{}");
    let service = fake.backend("llm", config).unwrap();
    let (_, record) = fake
        .call(&service, request("POST /v1/audio/speech", &[], ASK))
        .await;
    assert_eq!(fake.only().body, ASK);
    assert_eq!(
        record.losses,
        ["the body is not read, so it does not name the model `gpt-5-mini`"]
    );
    assert_eq!(record.attempts[0].model, None);
    let (_, record) = fake.call(&service, request("GET /v1/files", &[], "")).await;
    assert!(record.losses.is_empty());
}

#[test]
fn a_dialect_nobody_registered_is_refused_with_the_nearest_one() {
    let fake = Fake::json("{}");
    let mut config = openai();
    config["dialects"] = serde_json::json!(["openai-chat", "openai-respones"]);
    let e = fake.backend("llm", config).unwrap_err();
    assert_eq!(e.at.to_string(), "/llm/dialects/1");
    assert_eq!(e.hint.as_deref(), Some("did you mean `openai-responses`?"));
}

#[tokio::test]
async fn a_call_in_a_dialect_the_provider_does_not_speak_is_refused_with_what_it_speaks() {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", openai()).unwrap();
    let call = request("POST /v1/messages", &[], r#"{"model":"gpt-x"}"#);
    let e = fake.call(&service, call).await.0.unwrap_err();
    assert_eq!(e.code(), &codes::DIALECT_UNSUPPORTED);
    assert_eq!(e.status(), 400);
    assert_eq!(
        e.to_string(),
        "the call is written in anthropic-messages, but `gpt-x` is served by openai, which speaks openai-chat and openai-responses"
    );
    assert!(fake.seen().is_empty());

    let service = fake.backend("llm", anthropic()).unwrap();
    let e = fake
        .call(&service, request("POST /v1/files", &[], "x"))
        .await
        .0
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "the call is written in openai-chat, but this path is served by anthropic, which speaks anthropic-messages"
    );
}

const CLAUDES: &str = r#"{"data":[{"type":"model","id":"claude-x","display_name":"Claude X","created_at":"2026-09-01T00:00:00Z","lifecycle":"active"}],"has_more":false,"first_id":"claude-x","last_id":"claude-x"}"#;

#[tokio::test]
async fn models_are_listed_in_the_shape_of_the_caller() {
    let fake = Fake::json(CLAUDES);
    let service = fake.backend("llm", anthropic()).unwrap();
    let headers = [("authorization", "Bearer callers"), ("openai-project", "p")];
    let call = request("GET /v1/models?limit=1", &headers, "");
    let listed = fake.call(&service, call).await.0.unwrap();
    assert_eq!(
        listed.body(),
        r#"{"object":"list","data":[{"id":"claude-x","object":"model","created":1788220800,"owned_by":"portcullis"}]}"#
    );
    assert_eq!(listed.headers()["content-type"], "application/json");
    let seen = fake.only();
    assert_eq!(seen.uri, "https://api.anthropic.com/v1/models?limit=1000");
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["anthropic-version", "x-api-key"]);

    let call = request("GET /v1/models/claude-x", &[], "");
    let one = fake.call(&service, call).await.0.unwrap();
    assert!(
        one.body()
            .starts_with(br#"{"id":"claude-x","object":"model""#)
    );
    let call = request("GET /v1/models/gpt-x", &[], "");
    let e = fake.call(&service, call).await.0.unwrap_err();
    assert_eq!(e.code(), &codes::MODEL_NOT_FOUND);
}

#[tokio::test]
async fn models_asked_for_in_the_providers_own_dialect_pass_as_they_are() {
    let fake = Fake::json(CLAUDES);
    let service = fake.backend("llm", anthropic()).unwrap();
    let headers = [("anthropic-version", "2026-10-21")];
    let call = request("GET /v1/models?limit=1&after_id=x", &headers, "");
    let listed = fake.call(&service, call).await.0.unwrap();
    assert_eq!(listed.body(), CLAUDES);
    assert_eq!(fake.only().uri.query(), Some("limit=1&after_id=x"));
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_an_error_in_the_callers_dialect() {
    let openais = r#"{"error":{"message":"bad key sk-1","type":"x","param":null,"code":null}}"#;
    let answers = [
        (
            401,
            openais,
            "the upstream did not list its models: it answered 401",
        ),
        (
            429,
            openais,
            "the upstream did not list its models: it answered 429",
        ),
        (200, "<html>", "the upstream's answer is no list of models"),
    ];
    for (status, body, words) in answers {
        let fake = Fake::new(move |_| {
            let headers = [("content-type", "application/json"), ("retry-after", "7")];
            Ok(reply(status, &headers, body))
        });
        let service = fake.backend("llm", openai()).unwrap();
        for path in ["GET /v1/models", "GET /v1/models/m"] {
            let call = request(path, &[("anthropic-version", "2026-10-21")], "");
            let e = fake.call(&service, call).await.0.unwrap_err();
            assert_eq!(e.code(), &MODELS_UNLISTED);
            assert_eq!(e.to_string(), words);
            let after = e.headers().get("retry-after");
            assert_eq!(after.is_some(), status != 200);
        }
    }
}

#[test]
fn a_provider_nobody_knows_is_refused_with_the_nearest_or_all() {
    let e = refused(json!({"provider": "opnai"}));
    assert_eq!(
        e.to_string(),
        "/llm/provider: unknown provider `opnai` (did you mean `openai`?)"
    );
    let e = refused(json!({"provider": "zzzzzzzz"}));
    let vendors = Vendors::standard();
    let known: Vec<_> = vendors.iter().map(|vendor| vendor.name).collect();
    assert_eq!(
        e.hint.as_deref(),
        Some(&*format!("known are {}", known.join(", ")))
    );
}

#[test]
fn what_a_provider_needs_is_named() {
    assert_eq!(
        refused(json!({"provider": "anthropic"})).to_string(),
        "/llm: provider `anthropic` needs an `apiKey` (apiKey: \"${ANTHROPIC_API_KEY}\")"
    );
    assert_eq!(
        refused(json!({"provider": "openai-compatible"})).to_string(),
        "/llm: provider `openai-compatible` needs a `baseUrl` (give the base URL of its API, with the version segment)"
    );
}

#[test]
fn values_that_make_no_sense_are_refused_where_they_stand() {
    for (key, value, at) in [
        ("baseUrl", "ftp://h", "/llm/baseUrl"),
        ("baseUrl", "api.openai.com/v1", "/llm/baseUrl"),
        ("baseUrl", "https://u:p@h/v1", "/llm/baseUrl"),
        ("baseUrl", "https://h/v1?key=1", "/llm/baseUrl"),
        ("apiKey", "two\nlines", "/llm/apiKey"),
        ("model", "", "/llm/model"),
        ("usage", "guess", "/llm/usage"),
        ("maxReplyBytes", "much", "/llm/maxReplyBytes"),
        ("endpoint", "x", "/llm/endpoint"),
    ] {
        let mut config = openai();
        config[key] = value.into();
        let e = refused(config);
        assert_eq!(e.at.as_str(), at, "{e}");
        assert!(!e.to_string().contains("lines"), "{e}");
    }
}

#[test]
fn a_vendor_whose_dialect_is_not_registered_is_refused() {
    let mut fake = Fake::json("{}");
    let vendor = Vendor {
        name: "odd",
        dialects: &["openai-chat", "odd-chat"],
        ..crate::vendor::OPENAI
    };
    fake.registry.slot_mut::<Vendors>().add(vendor);
    let e = fake
        .backend("llm", json!({"provider": "odd", "apiKey": "k"}))
        .unwrap_err();
    assert_eq!(
        e.to_string(),
        "/llm/provider: provider `odd` speaks `odd-chat`, which is not registered"
    );
}

#[test]
fn the_key_does_not_print() {
    let config: LlmConfig = serde_json::from_value(openai()).unwrap();
    assert!(!format!("{config:?}").contains("sk-secret"));
    let origin = Origin::parse("http://h").unwrap();
    let credential = (crate::vendor::ANTHROPIC.credential)("sk-secret").unwrap();
    let provider = Provider::new(origin.with_credential(credential));
    assert!(!format!("{provider:?}").contains("sk-secret"));
}
