use portcullis_core::assemble::Registry;
use portcullis_core::upstream::Origin;

use serde_json::{Value, json};

use super::*;
use crate::fake::{Fake, Seen, request};

#[test]
fn every_vendor_has_a_base_url_that_is_one_and_dialects_that_are_registered() {
    let dialects = crate::dialect::all();
    for vendor in Vendors::standard().iter() {
        if let Some(url) = vendor.base_url {
            let url = url.replace("{region}", "eu-west-1");
            let origin = Origin::parse(&url).unwrap();
            assert_eq!(origin.to_string(), url);
            let version = vendor.version.unwrap_or_default();
            assert_eq!(origin.ending_with(version).to_string(), url);
        }
        assert!(!vendor.dialects.is_empty());
        for name in vendor.dialects {
            assert!(dialects.iter().any(|d| d.name() == *name), "{name}");
        }
        assert!((vendor.credential)("key").is_ok());
        assert!((vendor.credential)("a\nb").is_err());
    }
}

#[test]
fn vendors_registered_before_those_of_the_crate_stay() {
    let mut registry = Registry::new();
    let own = Vendor {
        name: "own",
        ..OPENAI
    };
    registry.slot_mut::<Vendors>().add(own);
    crate::register(&mut registry);
    let vendors = registry.slot::<Vendors>().unwrap();
    assert_eq!(vendors.iter().count(), STANDARD.len() + 1);
    assert!(vendors.get("own").is_some());
}

#[test]
#[should_panic(expected = "vendor `openai` is registered twice")]
fn two_vendors_of_one_name_are_a_mistake_found_at_the_start() {
    Vendors::standard().add(OPENAI);
}

/// Where a call to an endpoint goes, and its body.
async fn sent(config: Value, line: &str, headers: &[(&str, &str)], body: &'static str) -> Seen {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", config).unwrap();
    // The reply says nothing: what was asked is what matters.
    let _ = fake.call(&service, request(line, headers, body)).await;
    fake.only()
}

const CHAT: &str = "POST /v1/chat/completions";
const ASK: &str = r#"{"model":"m/1","messages":[]}"#;
const GENERATE: &str = "POST /v1beta/models/g:streamGenerateContent?alt=sse&key=k";

#[tokio::test]
async fn azure_is_asked_at_its_v1_api_or_at_a_deployment_of_a_dated_one() {
    let azure = |options: Value| json!({"provider": "azure", "baseUrl": "https://r.openai.azure.com", "apiKey": "k", "options": options});
    let dated = "2024-10-21";
    for (options, line, path) in [
        (json!({}), CHAT, "/openai/v1/chat/completions"),
        (
            json!({"apiVersion": dated}),
            CHAT,
            "/openai/deployments/m%2F1/chat/completions?api-version=2024-10-21",
        ),
        (
            json!({"apiVersion": dated, "deployment": "d"}),
            "POST /v1/embeddings?api-version=x",
            "/openai/deployments/d/embeddings?api-version=2024-10-21",
        ),
        (
            json!({"apiVersion": dated}),
            "GET /v1/models",
            "/openai/models?api-version=2024-10-21",
        ),
        (
            json!({"apiVersion": dated}),
            "POST /v1/responses",
            "/openai/responses?api-version=2024-10-21",
        ),
    ] {
        let seen = sent(azure(options), line, &[], ASK).await;
        assert_eq!(seen.uri.path_and_query().unwrap(), path);
        assert_eq!(seen.headers["api-key"], "k");
        assert!(!seen.headers.contains_key("authorization"));
    }
    let seen = sent(azure(json!({"deployment": "d"})), CHAT, &[], ASK).await;
    assert_eq!(seen.body, r#"{"model":"d","messages":[]}"#);
    let mut entra = azure(json!({}));
    entra["apiKey"] = "eyJ0.a.b".into();
    let seen = sent(entra, CHAT, &[], ASK).await;
    assert_eq!(seen.headers["authorization"], "Bearer eyJ0.a.b");
}

fn vertex(provider: &str, options: &Value) -> Value {
    json!({"provider": provider, "apiKey": "ya29.token", "options": options})
}

#[tokio::test]
async fn gemini_on_vertex_is_asked_in_a_project_or_in_express_mode() {
    let placed = json!({"project": "p", "location": "europe-west4"});
    let seen = sent(vertex("vertex", &placed), GENERATE, &[], "{}").await;
    assert_eq!(
        seen.uri,
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4\
         /publishers/google/models/g:streamGenerateContent?alt=sse"
    );
    assert_eq!(seen.headers["authorization"], "Bearer ya29.token");
    let mut express = vertex("vertex", &json!({}));
    express["apiKey"] = "AIzaKey".into();
    let seen = sent(express, GENERATE, &[], "{}").await;
    assert_eq!(
        seen.uri,
        "https://aiplatform.googleapis.com/v1/publishers/google/models/g:streamGenerateContent?alt=sse"
    );
    assert_eq!(seen.headers["x-goog-api-key"], "AIzaKey");
}

#[tokio::test]
async fn claude_on_vertex_has_its_model_in_the_url_and_its_version_in_the_body() {
    let config = || vertex("vertex-anthropic", &json!({"project": "p"}));
    let body = r#"{"model":"claude@1","max_tokens":1,"stream":true,"messages":[]}"#;
    let seen = sent(config(), "POST /v1/messages?beta=true", &[], body).await;
    let models = "/v1/projects/p/locations/global/publishers/anthropic/models";
    assert_eq!(
        seen.uri.path_and_query().unwrap().as_str(),
        format!("{models}/claude%401:streamRawPredict")
    );
    let sent_body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        sent_body,
        json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 1, "stream": true, "messages": []})
    );
    let later = [("anthropic-version", "2026-10-21")];
    let count = "POST /v1/messages/count_tokens";
    let seen = sent(config(), count, &later, r#"{"model":"c","messages":[]}"#).await;
    assert_eq!(seen.uri.path(), format!("{models}/count-tokens:rawPredict"));
    let sent_body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(sent_body["anthropic_version"], "2026-10-21");
    assert_eq!(sent_body["model"], "c");
}

#[tokio::test]
async fn what_vertex_serves_in_openais_dialect_is_under_an_endpoint() {
    let config = vertex(
        "vertex-openai",
        &json!({"project": "p", "location": "us-east5"}),
    );
    let seen = sent(config, CHAT, &[], ASK).await;
    assert_eq!(
        seen.uri,
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5\
         /endpoints/openapi/chat/completions"
    );
    assert_eq!(seen.body, ASK);
}

#[test]
fn options_a_vendor_does_not_have_and_missing_ones_are_refused() {
    let refused = |config: Value| {
        let error = Fake::json("{}").backend("llm", config).unwrap_err();
        error.to_string()
    };
    let said = refused(vertex("vertex-openai", &json!({"location": "l"})));
    assert!(said.contains("needs the option `project`"), "{said}");
    let said = refused(vertex("vertex", &json!({"projct": "l"})));
    assert!(said.contains("has no option `projct`"), "{said}");
    let said = refused(vertex("vertex", &json!({"project": ""})));
    assert!(said.contains("is empty"), "{said}");
    let said = refused(json!({"provider": "openai", "apiKey": "k", "options": {"a": "b"}}));
    assert!(said.contains("has no option `a`"), "{said}");
}
