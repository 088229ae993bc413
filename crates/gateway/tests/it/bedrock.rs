//! The whole line in Bedrock's dialect: URLs, bytes, signatures, frames, and streams that break off.

use http::Method;
use portcullis::core::context::Outcome;
use portcullis::core::error::codes;
use portcullis_testkit::{Reply, Upstream};

use crate::support::*;

const ASK: &str = r#"{ "messages": [{"role": "user", "content": [{"text": "Name three rivers."}]}], "inferenceConfig": {"temperature": 0.50}}"#;
const MODEL: &str = "/model/us.anthropic.claude-x-v1%3A0";

/// A gateway in front of Bedrock, with keys of an account.
async fn line() -> Line {
    let upstream = Upstream::start().await.unwrap();
    upstream.require_key("AKIDEXAMPLE");
    let url = upstream.url();
    let config = format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes: [{{backend: bedrock}}]
backends:
- name: bedrock
  llm:
    provider: bedrock
    baseUrl: "{url}"
    region: eu-central-1
    aws: {{accessKeyId: AKIDEXAMPLE, secretAccessKey: s3cr3t}}
"#
    );
    Line::configured(upstream, &config, |builder| builder).await
}

async fn ask(line: &Line, action: &str, headers: &[(&str, &str)]) -> Reply {
    let url = line.url(&format!("{MODEL}/{action}"));
    send(Method::POST, url, headers, ASK).await
}

/// The names in the frames of a stream, in order, found as AWS writes them.
fn names(stream: &[u8]) -> Vec<String> {
    let (mut names, mut at) = (Vec::new(), 0);
    while let Some(length) = stream[at..].first_chunk::<4>() {
        let frame = &stream[at..at + u32::from_be_bytes(*length) as usize];
        let headers = String::from_utf8_lossy(&frame[12..]);
        let name = headers.split("-type\u{7}\u{0}").nth(1).unwrap();
        let length = usize::from(name.as_bytes()[0]);
        names.push(name[1..=length].to_owned());
        at += frame.len();
    }
    names
}

#[tokio::test]
async fn a_call_goes_on_byte_for_byte_signed_by_the_gateway() {
    let line = line().await;
    let reply = ask(
        &line,
        "converse",
        &[("authorization", "AWS4-HMAC-SHA256 callers")],
    )
    .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["stopReason"], "end_turn");
    let seen = line.upstream.seen();
    assert_eq!(seen[0].path(), format!("{MODEL}/converse"));
    assert_eq!(seen[0].body, ASK);
    let signed = seen[0].header("authorization").unwrap();
    assert!(
        signed.contains("/eu-central-1/bedrock/aws4_request, SignedHeaders="),
        "{signed}"
    );
    let record = line.records.only().await;
    assert_eq!(&*record.model.unwrap(), "us.anthropic.claude-x-v1:0");
    let usage = record.attempts[0].usage.unwrap();
    assert!(usage.input > 0 && usage.output > 0 && !usage.estimated);
}

#[tokio::test]
async fn a_stream_is_passed_on_and_metered() {
    let line = line().await;
    let path = format!("{MODEL}/converse-stream");
    let key = [("authorization", "Bearer AKIDEXAMPLE")];
    let direct = send(Method::POST, line.direct(&path), &key, ASK).await;
    for pace in ["per-event", "one-write", "every-7"] {
        let reply = ask(&line, "converse-stream", &[("x-pace", pace)]).await;
        assert_eq!(reply.status, 200, "{pace}");
        assert_eq!(reply.body, direct.body, "{pace}");
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/vnd.amazon.eventstream"));
        let record = line.records.only().await;
        assert_eq!(record.outcome, Outcome::Completed);
        let usage = record.attempts[0].usage.unwrap();
        assert!(usage.output > 0 && !usage.estimated, "{pace}");
    }
}

#[tokio::test]
async fn a_cut_stream_ends_with_an_exception() {
    let line = line().await;
    for fault in ["cut-after-3", "reset-after-3", "garbage-after-3"] {
        let reply = ask(&line, "converse-stream", &[("x-fault", fault)]).await;
        let names = names(&reply.body);
        assert_eq!(names.first().unwrap(), "messageStart", "{fault}");
        assert_eq!(
            names.last().unwrap(),
            "modelStreamErrorException",
            "{fault}"
        );
        let record = line.records.only().await;
        assert!(matches!(record.outcome, Outcome::Failed(_)), "{fault}");
    }
}

#[tokio::test]
async fn what_upstream_and_gateway_refuse_is_told_as_bedrock_does() {
    let line = line().await;
    let reply = send(
        Method::POST,
        line.url(&format!("{MODEL}/converse")),
        &[],
        "{}",
    )
    .await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.header("x-amzn-errortype"),
        Some("ValidationException")
    );
    assert_eq!(reply.header("portcullis-error"), None);
    let reply = send(
        Method::POST,
        line.url(&format!("{MODEL}/converse")),
        &[],
        "{",
    )
    .await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.header("x-amzn-errortype"),
        Some("ValidationException")
    );
    let code = codes::BODY_NOT_JSON.name;
    assert_eq!(reply.header("portcullis-error"), Some(code));
    assert!(reply.json()["message"].is_string());
}

#[tokio::test]
async fn a_caller_of_openais_is_answered_by_bedrock() {
    let line = line().await;
    let chat = r#"{"model": "us.amazon.nova-lite-v1:0", "seed": 7, "stream": STREAM, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "look.up", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}}]}"#;
    let ask = async |stream: &str| {
        let body = chat.replace("STREAM", stream);
        send(
            Method::POST,
            line.url("/v1/chat/completions"),
            &[],
            bytes::Bytes::from(body),
        )
        .await
    };
    let whole = ask("false").await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let choice = &whole.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let called = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(called["name"], "look.up", "the caller's own name for it");
    assert_eq!(called["arguments"], r#"{"a":"test"}"#);
    assert_eq!(whole.header("portcullis-loss"), Some("seed"));
    let streamed = ask("true").await;
    assert_eq!(streamed.status, 200, "{}", streamed.text());
    let text = streamed.text();
    assert!(
        text.contains("look.up") && text.trim_end().ends_with("data: [DONE]"),
        "{text}"
    );
    let seen = line.upstream.seen();
    let paths: Vec<_> = seen.iter().map(|seen| seen.path()).collect();
    let model = "/model/us.amazon.nova-lite-v1%3A0";
    assert_eq!(
        paths,
        [
            format!("{model}/converse"),
            format!("{model}/converse-stream")
        ]
    );
    assert!(
        seen[0]
            .header("authorization")
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256 ")
    );
}

#[tokio::test]
async fn a_caller_of_bedrocks_is_answered_by_openai() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    let config = format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes: [{{backend: openai}}]
backends: [{{name: openai, llm: {{provider: openai, baseUrl: "{url}/v1", apiKey: {KEY}, dialects: [openai-chat], model: gpt-test}}}}]
"#
    );
    let line = Line::configured(upstream, &config, |builder| builder).await;
    let whole = ask(&line, "converse", &[]).await;
    assert_eq!(whole.status, 200, "{}", whole.text());
    let said = whole.json()["output"]["message"]["content"][0]["text"].clone();
    assert!(said.as_str().is_some_and(|said| !said.is_empty()));
    assert_eq!(line.upstream.seen()[0].json()["model"], "gpt-test");
    let streamed = ask(&line, "converse-stream", &[]).await;
    assert_eq!(streamed.status, 200, "{}", streamed.text());
    let kind = streamed.header("content-type");
    assert_eq!(kind, Some("application/vnd.amazon.eventstream"));
    let names = names(&streamed.body);
    assert_eq!(names.first().unwrap(), "messageStart");
    assert_eq!(
        names[names.len() - 3..],
        ["contentBlockStop", "messageStop", "metadata"]
    );
    let cut = ask(&line, "converse-stream", &[("x-fault", "cut-after-3")]).await;
    assert!(
        self::names(&cut.body)
            .last()
            .unwrap()
            .ends_with("Exception")
    );
    let refused = ask(&line, "converse", &[("x-fault", "status-429")]).await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        refused.header("x-amzn-errortype"),
        Some("ThrottlingException")
    );
}
