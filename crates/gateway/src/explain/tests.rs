use super::*;
use crate::source::ValueSource;

const CONFIG: &str = r#"
schemaVersion: 1
listeners:
- name: web
  address: "127.0.0.1:8080"
  policies: [{bodyLimit: {request: 4MiB}}]
- {name: inside, address: "127.0.0.1:9090"}
routes:
- {name: health, match: {path: {exact: /health}}, backend: {directResponse: {status: 204}}}
- name: models
  match: {path: {prefix: /v1}, headers: [{name: x-team, value: a}]}
  listeners: [web]
  policies:
  - bodyLimit: {request: 3MiB}
  - apiKeyAuthentication: {keys: [{key: sk-alice, id: alice}]}
    id: keys
  backend: models
backends:
- name: models
  models:
  - {match: fast, backend: cheap, rewrite: gpt-5-mini}
  - {match: "claude-*", backend: anthropic}
  - {match: "gpt-*", backend: cheap}
- name: cheap
  policies: [{bodyLimit: {request: 2MiB}}]
  llm:
    provider: openai
    apiKey: sk-secret
    policies: [{bodyLimit: {request: 1MiB}}]
- {name: anthropic, llm: {provider: anthropic, apiKey: sk-secret}}
"#;

async fn ask(request: http::request::Builder, body: Option<&str>) -> Explanation {
    let loaded = ValueSource::text(CONFIG).read();
    let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes()));
    explain(&crate::registry(), &loaded, request.body(body).unwrap()).await
}

/// A chat call by the listener `web`, with all it needs.
async fn chat(model: &str) -> OnListener {
    let body = format!(r#"{{"model": "{model}", "messages": []}}"#);
    let request = Request::post("http://127.0.0.1:8080/v1/chat/completions");
    let request = request
        .header("x-team", "a")
        .header("x-api-key", "sk-alice");
    ask(request, Some(&body)).await.listeners.remove(0)
}

#[tokio::test]
async fn a_port_picks_the_listener_and_no_port_means_all() {
    let count = async |url: &str| ask(Request::get(url), None).await.listeners.len();
    assert_eq!(count("http://a:9090/").await, 1);
    assert_eq!(count("http://a/").await, 2);
    assert_eq!(count("/").await, 2);
}

#[tokio::test]
async fn every_candidate_says_why_it_is_not_taken_and_where_it_stands() {
    let request = Request::get("http://127.0.0.1:8080/v1/models");
    let told = ask(request, None).await.listeners.remove(0);
    let [health, models] = &*told.candidates else {
        panic!("{told}")
    };
    assert_eq!(health.mismatch.as_deref(), Some("the path is another"));
    assert_eq!(
        models.mismatch.as_deref(),
        Some("header x-team is missing or has another value")
    );
    assert_eq!(health.place, "<text>:9:3");
    assert!(matches!(told.end, End::NoRoute));
}

#[tokio::test]
async fn policies_stand_in_order_with_what_replaces_them() {
    let told = chat("fast").await;
    let names: Vec<_> = told
        .policies
        .iter()
        .map(|p| (p.level.name(), &*p.name, p.replaced_by.map(Level::name)))
        .collect();
    assert_eq!(
        names,
        [
            ("listener", "bodyLimit", Some("route")),
            ("route", "bodyLimit", None),
            ("route", "apiKeyAuthentication", None),
        ]
    );
    assert_eq!(told.policies[2].id.as_deref(), Some("keys"));
    assert_eq!(told.policies[1].place, "<text>:14:5");
    let attempt: Vec<_> = told.backends[1]
        .policies
        .iter()
        .map(|p| (p.level.name(), p.replaced_by.map(Level::name), &*p.place))
        .collect();
    assert_eq!(
        attempt,
        [
            ("backend", Some("endpoint"), "<text>:25:15"),
            ("endpoint", None, "<text>:29:17"),
        ]
    );
}

#[tokio::test]
async fn a_model_leads_to_its_backend_under_its_new_name() {
    let told = chat("fast").await;
    assert_eq!(
        told.backends[0].choice,
        Choice::Model {
            pattern: "fast".into(),
            asked: "gpt-5-mini".into()
        }
    );
    let End::Sent(sent) = &told.end else {
        panic!("{told}")
    };
    assert_eq!(sent[0].uri, "https://api.openai.com/v1/chat/completions");
    assert_eq!(sent[0].model.as_deref(), Some("gpt-5-mini"));
}

#[tokio::test]
async fn refusals_are_foretold_with_their_code() {
    for (model, expected) in [
        ("unheard-of", "model_not_found"),
        ("claude-x", "invalid_field"),
    ] {
        let told = chat(model).await;
        assert!(
            matches!(&told.end, End::Refused { code, .. } if code.name == expected),
            "{told}"
        );
    }
    let request = Request::post("http://127.0.0.1:8080/v1/chat/completions").header("x-team", "a");
    let told = ask(request, None).await.listeners.remove(0);
    assert!(
        matches!(&told.end, End::Refused { code, .. } if code.name == "api_key_missing"),
        "{told}"
    );
}

#[tokio::test]
async fn without_a_body_what_depends_on_it_is_left_open() {
    let request = Request::post("http://127.0.0.1:8080/v1/chat/completions");
    let request = request
        .header("x-team", "a")
        .header("x-api-key", "sk-alice");
    let told = ask(request, None).await.listeners.remove(0);
    assert_eq!(told.backends[0].choice, Choice::Open);
    assert!(matches!(told.end, End::NeedsBody), "{told}");
}

#[tokio::test]
async fn a_list_of_models_asks_every_backend_that_has_one() {
    let request = Request::get("http://127.0.0.1:8080/v1/models");
    let request = request
        .header("x-team", "a")
        .header("x-api-key", "sk-alice");
    let told = ask(request, None).await.listeners.remove(0);
    let End::Sent(sent) = &told.end else {
        panic!("{told}")
    };
    let hosts: Vec<_> = sent.iter().filter_map(|sent| sent.uri.host()).collect();
    assert_eq!(hosts, ["api.anthropic.com", "api.openai.com"]);
}

#[tokio::test]
async fn no_secret_is_told() {
    let told = chat("fast").await.to_string();
    assert!(!told.contains("sk-"), "{told}");
}
