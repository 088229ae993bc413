//! The whole line with policies of the shelf on it: who may pass, how much, under which condition.

use http::Method;
use portcullis_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::files::Files;

/// A gateway whose one route has these policies behind its API keys.
struct Shelf(Files);

impl Shelf {
    async fn of(policies: &str) -> Self {
        Self(Files::start(&[("a.yaml", &text(policies))]).await)
    }

    async fn change(&self, policies: &str) {
        self.0.change(&text(policies)).await;
    }

    async fn send(&self, path: &str, key: &str, body: &Value) -> Reply {
        let url = format!("http://{}{path}", self.0.address("default/listener/web"));
        let bearer = format!("Bearer {key}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        if path == "/v1/messages" {
            headers.push(("anthropic-version", "2023-06-01"));
        }
        let client = Client::new();
        let sent = client.send(Method::POST, &url, &headers, body.to_string());
        sent.await.unwrap()
    }

    async fn chat(&self, key: &str, model: &str) -> Reply {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        self.send("/v1/chat/completions", key, &body).await
    }
}

fn text(policies: &str) -> String {
    format!(
        r#"schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes:
- policies:
  - apiKeyAuthentication:
      keys:
      - {{id: alice, key: a, metadata: {{tier: gold}}}}
      - {{id: bob, key: b, metadata: {{tier: free}}}}
      - {{id: carol, key: c, allowedModels: ["gpt-*", echo]}}
{policies}
  backend: {{echo: {{}}}}
"#
    )
}

#[tokio::test]
async fn a_rule_over_key_and_model_refuses_in_the_dialect_of_the_caller() {
    let shelf = Shelf::of(
        "  - authorization: {rules: [{allow: 'apiKey.tier == \"gold\"'}, {allow: 'llm.model == \"echo\"'}]}",
    )
    .await;
    assert_eq!(shelf.chat("a", "gpt-5").await.status, 200);
    assert_eq!(shelf.chat("b", "echo").await.status, 200);
    let refused = shelf.chat("b", "gpt-5").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["code"], "not_authorized");
    let message = json!({"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]});
    let refused = shelf.send("/v1/messages", "b", &message).await;
    assert_eq!(refused.json()["error"]["type"], "permission_error");
}

#[tokio::test]
async fn a_changed_limit_keeps_its_count_and_one_of_another_unit_begins_anew() {
    let limit = |requests: u32, unit: &str| {
        format!(
            "  - rateLimit: {{local: [{{requests: {requests}, unit: {unit}, key: apiKey.id}}]}}"
        )
    };
    let shelf = Shelf::of(&limit(2, "Days")).await;
    for _ in 0..2 {
        assert_eq!(shelf.chat("a", "echo").await.status, 200);
    }
    let refused = shelf.chat("a", "echo").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["code"], "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(shelf.chat("b", "echo").await.status, 200);
    shelf.change(&limit(3, "Days")).await;
    let last = shelf.chat("a", "echo").await;
    assert_eq!(last.status, 200);
    assert_eq!(last.header("x-ratelimit-remaining-requests"), Some("0"));
    assert_eq!(shelf.chat("a", "echo").await.status, 429);
    shelf.change(&limit(3, "Hours")).await;
    assert_eq!(shelf.chat("a", "echo").await.status, 200);
}

#[tokio::test]
async fn tokens_are_settled_by_what_a_stream_reports() {
    let shelf =
        Shelf::of("  - rateLimit: {local: [{tokens: 2000, unit: Months}], reserveOutput: 500}")
            .await;
    let body = json!({"model": "echo", "stream": true, "messages": [{"role": "user", "content": "one two three"}]});
    let left = |reply: &Reply| -> u64 {
        let left = reply.header("x-ratelimit-remaining-tokens").unwrap();
        left.parse().unwrap()
    };
    let first = shelf.send("/v1/chat/completions", "a", &body).await;
    let second = shelf.send("/v1/chat/completions", "a", &body).await;
    assert!(left(&first) < 1500);
    assert!(
        left(&first) - left(&second) < 100,
        "{} {}",
        left(&first),
        left(&second)
    );
}

#[tokio::test]
async fn a_condition_chooses_among_limits() {
    let shelf = Shelf::of(
        "  - rateLimit:\n      conditional:\n      - {condition: 'apiKey.tier == \"gold\"', policy: {local: [{requests: 3, unit: Days}]}}\n      - {policy: {local: [{requests: 1, unit: Days}]}}\n  - concurrency: {max: 1, key: apiKey.id}\n    when: 'request.path == \"/v1/models\"'",
    )
    .await;
    for (key, passes) in [("a", 3), ("b", 1)] {
        for _ in 0..passes {
            assert_eq!(shelf.chat(key, "echo").await.status, 200);
        }
        assert_eq!(shelf.chat(key, "echo").await.status, 429);
    }
}

#[tokio::test]
async fn a_key_for_some_models_calls_no_others() {
    let shelf = Shelf::of("").await;
    assert_eq!(shelf.chat("c", "echo").await.status, 200);
    assert_eq!(shelf.chat("c", "gpt-5").await.status, 200);
    let refused = shelf.chat("c", "claude").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["code"], "model_not_allowed");
}
