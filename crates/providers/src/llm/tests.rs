use portcullis_core::body::Body;
use portcullis_core::config::{ConfigError, Kind, ObjectId};
use portcullis_core::context::{Outcome, Tokens};
use portcullis_core::error::codes;
use serde_json::{Value, json};

use super::*;
use crate::codes::MODELS_UNLISTED;
use crate::fake::{Fake, reply, request};

const CLAUDES: &str = r#"{"data":[{"type":"model","id":"claude-x","display_name":"Claude X","created_at":"2026-09-01T00:00:00Z","lifecycle":"active"}],"has_more":false,"first_id":"claude-x","last_id":"claude-x"}"#;

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
async fn a_call_that_cannot_be_translated_is_refused_with_what_the_provider_speaks() {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", anthropic()).unwrap();
    let e = fake
        .call(&service, request("POST /v1/files", &[], "x"))
        .await
        .0
        .unwrap_err();
    assert_eq!(e.code(), &codes::DIALECT_UNSUPPORTED);
    assert_eq!(e.status(), 400);
    assert_eq!(
        e.to_string(),
        "the call is written in openai-chat, but this path is served by anthropic, which speaks anthropic-messages"
    );
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_call_of_another_dialect_is_translated_both_ways_and_its_losses_are_told() {
    let fake = Fake::json(
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}"#,
    );
    let service = fake.backend("llm", anthropic()).unwrap();
    let ask =
        r#"{"model":"claude-x","logit_bias":{"5":1},"messages":[{"role":"user","content":"hi"}]}"#;
    let (reply, record) = fake
        .call(&service, request("POST /v1/chat/completions", &[], ask))
        .await;
    let reply = reply.unwrap();
    assert_eq!(reply.headers()["portcullis-loss"], "logit_bias");
    let body: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["choices"][0]["message"]["content"], "Hi.");
    assert_eq!(body["usage"]["prompt_tokens"], 3);
    let sent = fake.only();
    assert_eq!(sent.uri.path(), "/v1/messages");
    assert!(record.losses[0].starts_with("logit_bias: "));
    assert_eq!(record.attempts[0].usage, Some(Tokens::new(3, 2)));

    let mut strict = anthropic();
    strict["strict"] = true.into();
    let service = fake.backend("llm", strict).unwrap();
    let call = request("POST /v1/chat/completions", &[], ask);
    let e = fake.call(&service, call).await.0.unwrap_err();
    assert_eq!(
        (e.code().name, e.at_param()),
        ("loss_refused", Some("logit_bias"))
    );
}

#[tokio::test]
async fn tokens_are_estimated_where_the_provider_does_not_count_them() {
    let fake = Fake::json("{}");
    let service = fake.backend("llm", openai()).unwrap();
    let ask = r#"{"model":"gpt-x","messages":[{"role":"user","content":"12345678"}]}"#;
    let call = request("POST /v1/messages/count_tokens", &[], ask);
    let reply = fake.call(&service, call).await.0.unwrap();
    assert_eq!(reply.headers()["portcullis-estimate"], "tokens");
    assert_eq!(reply.body(), r#"{"input_tokens":6}"#);
    assert!(fake.seen().is_empty());
}

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
    let hint = e.hint.unwrap_or_default();
    assert!(
        hint.starts_with("known are anthropic, azure, bedrock, "),
        "{hint}"
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

fn bedrock(more: &Value) -> Value {
    let mut config = json!({
        "provider": "bedrock", "region": "eu-west-1",
        "aws": {"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "s3cr3t"},
    });
    let fields = config.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    config
}

const CONVERSE: &str = "POST /model/us.anthropic.claude-x-v1%3A0/converse";

#[tokio::test]
async fn a_call_to_bedrock_is_signed_for_its_region_and_its_path_kept() {
    let body = r#"{"messages": [], "n": 1.0}"#;
    let call = request(
        CONVERSE,
        &[
            ("authorization", "AWS4-HMAC-SHA256 callers"),
            ("x-amz-security-token", "callers"),
        ],
        body,
    );
    let seen = written(bedrock(&json!({})), call).await;
    assert_eq!(
        seen.uri,
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/us.anthropic.claude-x-v1%3A0/converse"
    );
    assert_eq!(seen.body, body);
    let signed = seen.headers["authorization"].to_str().unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(
        signed.contains("/eu-west-1/bedrock/aws4_request"),
        "{signed}"
    );
    assert_eq!(seen.headers.get("x-amz-security-token"), None);
}

#[tokio::test]
async fn bedrock_is_called_by_a_bearer_key_where_there_is_one() {
    let config = bedrock(&json!({"aws": null, "apiKey": "bedrock-key"}));
    let seen = written(config, request(CONVERSE, &[], "{}")).await;
    assert_eq!(seen.headers["authorization"], "Bearer bedrock-key");
    assert_eq!(seen.headers.get("x-amz-date"), None);
}

#[tokio::test]
async fn another_model_of_bedrocks_is_asked_by_its_url() {
    let config = bedrock(&json!({"model": "eu.amazon.nova-lite-v1:0"}));
    let seen = written(config, request(CONVERSE, &[], "{ }")).await;
    assert_eq!(
        seen.uri.path(),
        "/model/eu.amazon.nova-lite-v1%3A0/converse"
    );
    assert_eq!(seen.body, "{ }");
}

#[tokio::test]
async fn what_the_gateway_does_not_read_is_held_to_be_signed() {
    let call = request(
        "POST /guardrail/g/version/1/apply",
        &[],
        r#"{"content":[]}"#,
    );
    let (parts, body) = call.into_parts();
    let streamed = Body::new(http_body_util::combinators::UnsyncBoxBody::new(body));
    let call = http::Request::from_parts(parts, streamed);
    let seen = written(bedrock(&json!({})), call).await;
    assert_eq!(seen.body, r#"{"content":[]}"#);
    assert!(seen.headers.contains_key("x-amz-content-sha256"));
}

#[test]
fn who_signs_is_told_in_full_or_refused() {
    for (more, said) in [
        (
            json!({"region": "eu west"}),
            "a region is made of letters, digits and hyphens",
        ),
        (
            json!({"aws": {"accessKeyId": "a"}}),
            "the id needs its `secretAccessKey`",
        ),
        (
            json!({"aws": {"secretAccessKey": "a"}}),
            "the key needs its `accessKeyId`",
        ),
        (
            json!({"aws": {"sessionToken": "a"}}),
            "the token needs its keys",
        ),
        (
            json!({"aws": {"profile": "p"}}),
            "`profile` needs a gateway built with the feature `aws`",
        ),
        (
            json!({"aws": {"assumeRole": {"roleArn": "arn:aws:iam::1:role/r"}}}),
            "`assumeRole` needs a gateway built with the feature `aws`",
        ),
        (json!({"apiKey": "k"}), "what has an `apiKey` is not signed"),
        (
            json!({"provider": "openai"}),
            "provider `openai` has no regions",
        ),
        (
            json!({"provider": "openai", "region": null}),
            "provider `openai` is not AWS",
        ),
    ] {
        assert!(refused(bedrock(&more)).to_string().contains(said), "{said}");
    }
}

#[test]
fn keys_are_looked_for_where_awss_own_tools_do() {
    let fake = Fake::json("{}");
    let find = |given: &[(&str, &str)], config: Value| {
        let config: ProviderConfig = serde_json::from_value(config).unwrap();
        let given: std::collections::BTreeMap<_, _> = given.iter().copied().collect();
        let variable = |name: &str| given.get(name).map(|value| (*value).to_owned());
        let owner = ObjectId::new("default", Kind::Backend, "main");
        let cx = BuildContext::new(&fake, &owner, Pointer::root(), &[]);
        let vendor = &crate::vendor::BEDROCK;
        let region = aws::region(vendor, &config, variable, &cx)?;
        let found = aws::credential(vendor, &config, region.as_deref(), variable, &cx)?;
        Ok::<_, ConfigError>(found.map(|found| format!("{found:?}")))
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", "us-east-1"),
    ];
    let bearer = [("AWS_BEARER_TOKEN_BEDROCK", "k")];
    let plain = || json!({"provider": "bedrock"});
    let signer = Some("Credential([signer])".to_owned());
    assert_eq!(find(&keys, plain()).unwrap(), signer);
    let found = find(&bearer, plain()).unwrap();
    assert_eq!(found.unwrap(), "Credential(authorization: [secret])");
    let e = find(&keys[..2], plain()).unwrap_err().to_string();
    assert!(e.contains("needs a `region`"), "{e}");
    let e = find(&keys[2..], plain()).unwrap_err().to_string();
    assert!(e.contains("needs keys"), "{e}");
    // What is written down comes before a bearer key that is only there.
    let written = json!({"provider": "bedrock", "aws": {}});
    assert_eq!(
        find(&[keys[0], keys[1], keys[2], bearer[0]], written).unwrap(),
        signer
    );
    // What is not the vendor's own host gets nothing it was not given.
    let elsewhere = json!({"provider": "bedrock", "baseUrl": "http://127.0.0.1:1"});
    assert_eq!(find(&bearer, elsewhere.clone()).unwrap(), None);
    assert_eq!(find(&keys, elsewhere).unwrap(), None);
}
