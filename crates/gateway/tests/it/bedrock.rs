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
    for pace in ["per-event", "one-write", "every-7-bytes"] {
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
