//! Calls to `echo` as they come and go on the wire, in a dialect known by its name only.

mod backend;
mod chat;
mod embeddings;
mod messages;
mod responses;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::request;
use portcullis_core::body::Body;
use portcullis_core::config::decode;
use portcullis_core::context::{Context, RequestId, Tokens};
use portcullis_core::error::{Code, Error, codes};
use portcullis_core::llm::{Dialect, EventKind, Head, LlmCodec, Operation};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::protocol::{ArcService, Codec};
use portcullis_core::respond::{Problem, Render};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A dialect in which nothing is said but what `echo` needs to know.
#[derive(Debug)]
struct Named(&'static str);

impl Dialect for Named {
    fn name(&self) -> &'static str {
        self.0
    }

    fn claim(&self, head: &request::Parts, path: &str) -> Option<Operation> {
        Some(match (head.method.as_str(), path) {
            ("POST", "/chat/completions" | "/responses" | "/messages") => Operation::Chat,
            ("POST", "/embeddings") => Operation::Embeddings,
            ("POST", "/messages/count_tokens") => Operation::CountTokens,
            ("GET", "/models") => Operation::ListModels,
            ("GET", _) if path.starts_with("/models/") => Operation::GetModel,
            _ => Operation::Other,
        })
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        let body: Value = serde_json::from_slice(body).unwrap();
        Ok(Head {
            model: body["model"].as_str().unwrap_or_default().into(),
            stream: body["stream"] == true,
            usage_asked: body["stream_options"]["include_usage"] == true,
        })
    }

    fn set_model(
        &self,
        _: &mut Arc<request::Parts>,
        _: &mut Payload<Doc>,
        _: &str,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn classify(&self, _: &[u8], _: &[u8]) -> EventKind {
        EventKind::Other
    }

    fn usage(&self, _: &[u8], _: &mut Tokens) -> bool {
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(Problem)
    }
}

/// What came back: its content type, and its text with the time set to nought.
type Got = (String, String);

async fn send(
    dialect: &'static str,
    method: &str,
    path: &str,
    body: Body,
    delay: Duration,
) -> Result<Got, Error> {
    let mut request = http::Request::builder().method(method).uri(path);
    let id = RequestId::accept(&"req-7".parse().unwrap()).unwrap();
    request = request.extension(Context::new(id, None));
    let codec = LlmCodec::new([Arc::new(Named(dialect)) as Arc<dyn Dialect>]);
    let echo = ArcService::new(Echo::new(delay));
    let reply = codec.serve(request.body(body).unwrap(), echo).await?;
    let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
    let body = reply.into_body().collect(1 << 20).await?;
    Ok((kind, timeless(std::str::from_utf8(&body).unwrap())))
}

/// The text with every `created` and `created_at` that is a number set to nought.
fn timeless(text: &str) -> String {
    let mut parts = text.split("\"created");
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (key, rest) = part.split_once(':').unwrap();
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let zero = if number > 0 { "0" } else { "" };
        timeless += &format!("\"created{key}:{zero}{}", &rest[number..]);
    }
    timeless
}

#[tokio::main(flavor = "current_thread")]
async fn post(dialect: &'static str, path: &str, body: &Value) -> Result<Got, Error> {
    let body = Body::from(body.to_string());
    send(dialect, "POST", path, body, Duration::ZERO).await
}

#[tokio::main(flavor = "current_thread")]
async fn get(dialect: &'static str, path: &str) -> Result<Got, Error> {
    send(dialect, "GET", path, Body::empty(), Duration::ZERO).await
}

/// A whole reply as JSON.
fn whole(dialect: &'static str, path: &str, body: &Value) -> Value {
    let (kind, text) = post(dialect, path, body).unwrap();
    assert_eq!(kind, "application/json");
    serde_json::from_str(&text).unwrap()
}

/// A streamed reply as its text and as the data of its events.
fn events(dialect: &'static str, path: &str, body: &Value) -> (String, Vec<Value>) {
    let mut body = body.clone();
    body["stream"] = true.into();
    let (kind, text) = post(dialect, path, &body).unwrap();
    assert_eq!(kind, "text/event-stream");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.filter(|data| *data != "[DONE]");
    let events = data.map(|data| serde_json::from_str(data).unwrap());
    (text.clone(), events.collect())
}

/// Compares the reply, whole and streamed, with the files of that name in `golden`, byte by byte. With
/// `UPDATE` in the environment it writes them.
fn golden(name: &str, (dialect, path): (&'static str, &str), body: &Value) {
    check(
        &format!("{name}.json"),
        &post(dialect, path, body).unwrap().1,
    );
    check(&format!("{name}.sse"), &events(dialect, path, body).0);
}

fn check(file: &str, got: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/echo/tests/golden");
    let file = golden.join(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(golden).unwrap();
        std::fs::write(&file, got).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(got, expected, "{}", file.display());
}

/// The code, the parameter and the words of a refusal.
fn refusal(dialect: &'static str, path: &str, body: &Value) -> (&'static Code, String, String) {
    let error = post(dialect, path, body).unwrap_err();
    let param = error.at_param().unwrap_or_default().to_owned();
    (error.code(), param, error.message().to_owned())
}

const CHAT: (&str, &str) = ("openai-chat", "/v1/chat/completions");
const RESPONSES: (&str, &str) = ("openai-responses", "/v1/responses");
const MESSAGES: (&str, &str) = ("anthropic-messages", "/v1/messages");

fn joined<'a>(pieces: impl Iterator<Item = &'a Value>) -> String {
    pieces.filter_map(Value::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_folds_to_the_whole_reply(text in "[a-z 👩‍🚀é漢\\n\"]{0,24}|\\PC*", max in 1u64..9) {
        let body = json!({
            "model": "echo", "max_tokens": max, "max_output_tokens": max, "input": text,
            "messages": [{"role": "user", "content": text}],
        });

        let said = &whole(CHAT.0, CHAT.1, &body)["choices"][0]["message"]["content"];
        let (_, chunks) = events(CHAT.0, CHAT.1, &body);
        let deltas = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["content"]);
        prop_assert_eq!(said, &joined(deltas));

        let said = &whole(MESSAGES.0, MESSAGES.1, &body)["content"][0]["text"];
        let (_, chunks) = events(MESSAGES.0, MESSAGES.1, &body);
        prop_assert_eq!(said, &joined(chunks.iter().map(|event| &event["delta"]["text"])));

        let response = whole(RESPONSES.0, RESPONSES.1, &body);
        let (_, chunks) = events(RESPONSES.0, RESPONSES.1, &body);
        let deltas = chunks.iter().map(|event| &event["delta"]);
        prop_assert_eq!(&response["output"][0]["content"][0]["text"], &joined(deltas));
        prop_assert_eq!(&response, &chunks.last().unwrap()["response"]);
        let numbers = chunks.iter().filter_map(|event| event["sequence_number"].as_u64());
        prop_assert!(numbers.eq(0..chunks.len() as u64));

        let cut = text.split_whitespace().count() as u64 > max;
        if !text.trim().is_empty() {
            prop_assert_eq!(response["status"] == "incomplete", cut);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_stands_between_any_two_pieces() {
    let begun = tokio::time::Instant::now();
    let body = json!({
        "model": "echo", "stream": true, "messages": [{"role": "user", "content": "one two"}],
    });
    let (body, delay) = (Body::from(body.to_string()), Duration::from_secs(1));
    let (_, text) = send(CHAT.0, "POST", CHAT.1, body, delay).await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"));
    // Opening, two words, closing.
    assert_eq!(begun.elapsed(), delay * 3);
}

#[test]
fn models_are_listed_as_echo_and_found_by_any_name() {
    let got = |dialect, path| get(dialect, path).unwrap().1;
    assert_eq!(
        got(CHAT.0, "/v1/models"),
        r#"{"object":"list","data":[{"id":"echo","object":"model","created":0,"owned_by":"portcullis"}]}"#
    );
    assert_eq!(
        got(CHAT.0, "/v1/models/fast"),
        r#"{"id":"fast","object":"model","created":0,"owned_by":"portcullis"}"#
    );
    let model = r#"{"type":"model","id":"echo","display_name":"Echo","created_at":"2026-01-01T00:00:00Z","lifecycle":"active"}"#;
    assert_eq!(got(MESSAGES.0, "/v1/models/echo"), model);
    assert_eq!(
        got(MESSAGES.0, "/v1/models"),
        format!(r#"{{"data":[{model}],"has_more":false,"first_id":"echo","last_id":"echo"}}"#)
    );
}

#[test]
fn other_dialects_and_operations_are_refused_by_name() {
    let body = json!({"model": "echo"});
    for (dialect, path, words) in [
        ("gemini", "/v1/responses", "does not speak gemini"),
        (
            MESSAGES.0,
            "/v1/embeddings",
            "no operation `embeddings` in anthropic-messages",
        ),
        (
            CHAT.0,
            "/v1/files",
            "does not answer this kind of openai-chat call",
        ),
    ] {
        let (code, _, what) = refusal(dialect, path, &body);
        assert_eq!(code, &codes::DIALECT_UNSUPPORTED);
        assert!(what.contains(words), "{what}");
    }
}

#[test]
fn the_configuration_has_a_delay_and_nothing_else() {
    let at = portcullis_core::config::Pointer::root();
    let config: EchoConfig = decode(&json!({}), &at).unwrap();
    assert_eq!(config.delay.get(), Duration::ZERO);
    let config: EchoConfig = decode(&json!({"delay": "50ms"}), &at).unwrap();
    assert_eq!(config.delay.get(), Duration::from_millis(50));
    assert!(decode::<EchoConfig>(&json!({"dealy": "50ms"}), &at).is_err());
}
