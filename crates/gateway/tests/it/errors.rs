//! The whole line where the gateway itself refuses: status, code, and the caller's own way of writing it.

use std::time::Duration;

use http::Method;
use portcullis::core::context::Outcome;
use portcullis::core::error::{Code, codes};
use portcullis_testkit::{Outgoing, Reply, Upstream, raw_exchange};

use crate::support::*;

/// Who is told.
#[derive(Clone, Copy, Debug)]
enum Told {
    OpenAi,
    Anthropic,
    Problem,
}

use Told::{Anthropic, OpenAi, Problem};

fn assert_told(reply: &Reply, told: Told, code: &Code) {
    let text = reply.text();
    assert_eq!(reply.status.as_u16(), code.status, "{text}");
    assert_eq!(reply.header("portcullis-error"), Some(code.name), "{text}");
    assert!(reply.header("x-request-id").is_some());
    let (json, kind) = (reply.json(), reply.header("content-type"));
    let (written, message) = match told {
        OpenAi => (&json["error"]["code"], &json["error"]["message"]),
        Anthropic => (&json["error"]["details"]["code"], &json["error"]["message"]),
        Problem => (&json["code"], &json["detail"]),
    };
    assert_eq!(written, code.name, "{text}");
    assert!(message.as_str().is_some_and(|m| !m.is_empty()), "{text}");
    match told {
        OpenAi => assert!(json["error"]["type"].is_string(), "{text}"),
        Anthropic => assert_eq!(json["type"], "error", "{text}"),
        Problem => assert_eq!(json["status"], code.status, "{text}"),
    }
    let wanted = match told {
        Problem => "application/problem+json",
        OpenAi | Anthropic => "application/json",
    };
    assert_eq!(kind, Some(wanted), "{text}");
}

/// A gateway where a model picks the backend.
async fn models() -> Line {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    let config = format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes:
- {{match: {{path: {{prefix: /v1}}}}, backend: models}}
- {{match: {{path: {{prefix: /get-only}}, method: GET}}, backend: {{directResponse: {{status: 200}}}}}}
- match: {{path: {{prefix: /small}}}}
  policies: [{{bodyLimit: {{request: 100B}}}}]
  backend: models
backends:
- name: models
  models: [{{match: "gpt-*", backend: openai}}, {{match: "claude-*", backend: anthropic}}]
- {{name: openai, llm: {{provider: openai, baseUrl: "{url}/v1", apiKey: {KEY}}}}}
- {{name: anthropic, llm: {{provider: anthropic, baseUrl: "{url}", apiKey: {KEY}}}}}
"#
    );
    Line::configured(upstream, &config, |builder| builder).await
}

const CALLS: [(&str, Told); 3] = [
    ("/v1/chat/completions", OpenAi),
    ("/v1/responses", OpenAi),
    ("/v1/messages", Anthropic),
];

/// Sends `body` to every dialect's path, and wants this error from the gateway, not the upstream.
async fn refused(line: &Line, body: &'static str, code: &'static Code) -> Vec<Reply> {
    let mut replies = Vec::new();
    for (path, told) in CALLS {
        let reply = send(Method::POST, line.url(path), &[], body).await;
        assert_told(&reply, told, code);
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Failed(code), "{path}");
        assert_eq!(record.status, Some(code.status()), "{path}");
        assert!(record.attempts.is_empty(), "{path}");
        replies.push(reply);
    }
    assert!(line.upstream.seen().is_empty(), "nothing goes upstream");
    replies
}

#[tokio::test]
async fn an_unknown_route_is_told_in_the_dialect_the_path_looks_like() {
    let upstream = Upstream::start().await.unwrap();
    let config = config(&upstream, "").replace("name: rest,", "match: {path: {exact: /none}},");
    let line = Line::configured(upstream, &config, |builder| builder).await;
    for (path, told) in CALLS {
        let reply = send(Method::POST, line.url(path), &[], CHAT).await;
        assert_told(&reply, told, &codes::ROUTE_NOT_FOUND);
        assert!(reply.text().contains(path), "it says which path");
    }
    for path in ["/", "/health", "/favicon.ico"] {
        let reply = send(Method::GET, line.url(path), &[], Outgoing::empty()).await;
        assert_told(&reply, Problem, &codes::ROUTE_NOT_FOUND);
    }
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let line = models().await;
    let ask = r#"{"model":"llama-9","messages":[],"input":"","max_tokens":1}"#;
    for reply in refused(&line, ask, &codes::MODEL_NOT_FOUND).await {
        assert!(reply.text().contains("llama-9"));
    }
}

#[tokio::test]
async fn what_is_not_translated_is_refused() {
    let line = models().await;
    let ask = r#"{"model":"claude-test","input":"a"}"#;
    let reply = send(Method::POST, line.url("/v1/embeddings"), &[], ask).await;
    assert_told(&reply, OpenAi, &codes::DIALECT_UNSUPPORTED);
}

#[tokio::test]
async fn bad_json_is_refused_with_the_byte_where_it_goes_wrong() {
    let line = models().await;
    for (body, byte) in [
        (r#"{"model":"gpt-test",}"#, "20"),
        (r#"{"model":"gpt-test" "stream":true}"#, "20"),
        ("", "0"),
        ("[]", "0"),
        (r#"{"model":"gpt-test"} x"#, "21"),
    ] {
        for reply in refused(&line, body, &codes::BODY_NOT_JSON).await {
            let text = reply.text();
            assert!(text.contains(&format!("byte {byte}")), "{body}: {text}");
        }
    }
}

#[tokio::test]
async fn a_model_that_stands_twice_is_refused_however_it_is_spelled() {
    let line = models().await;
    for body in [
        r#"{"model":"gpt-test","messages":[],"model":"gpt-other"}"#,
        r#"{"model":"gpt-test","mod\u0065l":"gpt-other"}"#,
        r#"{"\u006dodel":"gpt-test","model":"gpt-other"}"#,
        r#"{"model":"gpt-test","Model":"gpt-other"}"#,
        r#"{"MODEL":"gpt-test","model":"gpt-other"}"#,
        r#"{"model":"gpt-test","MODE\u004c":"gpt-other"}"#,
        r#"{"model":"gpt-test","stream":true,"Stream":false}"#,
    ] {
        refused(&line, body, &codes::DUPLICATE_KEY).await;
    }
}

#[tokio::test]
async fn fields_the_gateway_must_read_are_checked() {
    let line = models().await;
    for body in [
        r#"{"messages":[]}"#,
        r#"{"model":7}"#,
        r#"{"model":""}"#,
        r#"{"model":null}"#,
        r#"{"model":"gpt-test","stream":"yes"}"#,
    ] {
        refused(&line, body, &codes::INVALID_FIELD).await;
    }
}

#[tokio::test]
async fn a_body_too_large_is_refused_whether_its_length_is_told_or_not() {
    let line = models().await;
    let large = format!(r#"{{"model":"gpt-test","input":"{}"}}"#, "x".repeat(200));
    for (path, told) in CALLS {
        let path = format!("/small{path}");
        let chunks: Vec<_> = large
            .as_bytes()
            .chunks(60)
            .map(bytes::Bytes::copy_from_slice)
            .collect();
        for body in [Outgoing::from(large.clone()), chunks.into()] {
            let reply = send(Method::POST, line.url(&path), &[], body).await;
            assert_told(&reply, told, &codes::BODY_TOO_LARGE);
        }
    }
    assert!(line.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_document_over_the_bound_of_the_gateway_is_refused() {
    let line = models().await;
    let large = vec![b' '; (32 << 20) + 1];
    let reply = send(Method::POST, line.url("/v1/messages"), &[], large).await;
    assert_told(&reply, Anthropic, &codes::BODY_TOO_LARGE);
}

#[tokio::test]
async fn a_document_in_an_unknown_coding_is_refused() {
    let line = models().await;
    for (path, told) in CALLS {
        let headers = [("content-encoding", "compress")];
        let reply = send(Method::POST, line.url(path), &headers, "\u{1f}").await;
        assert_told(&reply, told, &codes::BODY_ENCODED);
        let ask = r#"{"model":"gpt-test"}"#;
        let headers = [("content-encoding", "identity")];
        let reply = send(Method::POST, line.url(path), &headers, ask).await;
        assert_ne!(reply.status, 415, "identity is no compression");
    }
}

#[tokio::test]
async fn a_method_no_route_takes_finds_no_route() {
    let line = models().await;
    let found = send(Method::GET, line.url("/get-only"), &[], Outgoing::empty()).await;
    assert_eq!(found.status, 200);
    let reply = send(Method::POST, line.url("/get-only"), &[], "x").await;
    assert_told(&reply, Problem, &codes::ROUTE_NOT_FOUND);
}

#[tokio::test]
async fn a_path_that_leaves_the_base_is_refused() {
    let line = Line::start().await;
    for path in ["/v1/../admin", "/v1/%2e%2e/admin", "/v1/files/./x"] {
        let address = line.running.addresses()[0].1;
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let reply = raw_exchange(address, head.as_bytes(), Duration::from_secs(10)).await;
        let bytes = reply.unwrap().bytes;
        let text = String::from_utf8_lossy(&bytes);
        let refused = ["400", "404"]
            .iter()
            .any(|s| text.starts_with(&format!("HTTP/1.1 {s}")));
        assert!(
            refused && text.contains("portcullis-error"),
            "{path}: {text}"
        );
    }
    assert!(line.upstream.seen().is_empty());
}

#[tokio::test]
async fn what_the_upstream_refuses_is_its_own_word() {
    let line = models().await;
    for (status, retry) in [
        (400, None),
        (401, None),
        (429, Some("7")),
        (500, None),
        (529, None),
    ] {
        let fault = match retry {
            Some(after) => format!("status-{status}-retry-{after}"),
            None => format!("status-{status}"),
        };
        let headers = [("x-fault", &*fault)];
        let ask = r#"{"model":"gpt-test","messages":[]}"#;
        let path = "/v1/chat/completions";
        let direct = send(Method::POST, line.direct(path), &headers, ask).await;
        let through = send(Method::POST, line.url(path), &headers, ask).await;
        assert_eq!(
            (through.status.as_u16(), &through.body),
            (status, &direct.body)
        );
        assert_eq!(through.header("retry-after"), retry);
        assert_eq!(through.header("portcullis-error"), None);
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Completed);
        assert_eq!(record.usage(), None, "{status}");
    }
}
