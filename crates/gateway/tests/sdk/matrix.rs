//! The whole line, end to end: every official SDK calls upstreams of every dialect.
//!
//! `tests/sdk/matrix/run.py` makes the calls and prints a table. Here are the upstreams, the gateway, and a
//! look at the records: what each attempt used is what the upstream metered.

use std::fmt::Write as _;

use portcullis::source::ValueSource;
use portcullis::{Gateway, Running};
use portcullis_testkit::Upstream;

use crate::{Records, python};

/// An upstream dialect, the provider that speaks it, and the path its API is at.
const UPSTREAMS: [(&str, &str, &str); 6] = [
    ("openai-chat", "openai", "/v1"),
    ("openai-responses", "openai", "/v1"),
    ("anthropic-messages", "anthropic", ""),
    ("gemini", "gemini", "/v1beta"),
    ("bedrock-converse", "bedrock", ""),
    ("cohere-chat", "cohere", "/v2"),
];

/// The key every upstream wants.
const KEY: &str = "k-upstream";

/// The model they are asked for.
const MODEL: &str = "model-test";

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that is skipped says why, and the table is for people"
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_official_sdk_works_with_every_upstream() {
    let python = match python::find().await {
        Ok(python) => python,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let mut upstreams = Vec::new();
    for _ in UPSTREAMS {
        let upstream = Upstream::start().await.expect("a free port is bound");
        upstream.require_key(KEY);
        upstreams.push(upstream);
    }
    let records = Records::default();
    let gateway = start(&upstreams, records.clone()).await;
    let (_, address) = &gateway.addresses()[0];
    let mut script = python::script(&python, "matrix/run.py");
    script.env("GATEWAY", format!("http://{address}"));
    let ran = script.output().await.expect("python starts");
    let output = String::from_utf8_lossy(&ran.stdout);
    let complaints = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{output}{complaints}");
    println!("{output}");
    gateway.stop().await;
    check(&upstreams, &records);
}

/// Demands that the record has the very tokens each upstream metered.
fn check(upstreams: &[Upstream], records: &Records) {
    let records = records.lock();
    for ((name, ..), upstream) in UPSTREAMS.iter().zip(upstreams) {
        let metered = upstream.meter();
        let endpoint = format!("up-{name}");
        let attempts = records.iter().flat_map(|record| &record.attempts);
        let used = attempts
            .filter(|attempt| attempt.endpoint.starts_with(&*endpoint))
            .filter_map(|attempt| attempt.usage);
        let (input, output) = used.fold((0, 0), |(input, output), tokens| {
            assert!(
                !tokens.estimated,
                "{name}: an estimate where there was a report"
            );
            (input + tokens.input, output + tokens.output)
        });
        assert_eq!(
            (input, output),
            (metered.input_tokens, metered.output_tokens),
            "{name}"
        );
    }
}

/// A gateway before these upstreams.
async fn start(upstreams: &[Upstream], records: Records) -> Running {
    let mut config = String::from(
        "schemaVersion: 1\nlisteners: [{name: web, address: \"127.0.0.1:0\"}]\nbackends:\n",
    );
    let mut models = String::new();
    for ((name, provider, path), upstream) in UPSTREAMS.iter().zip(upstreams) {
        let url = format!("{}{path}", upstream.url());
        writeln!(
            config,
            "- {{name: up-{name}, llm: {{provider: {provider}, dialects: [{name}], baseUrl: \"{url}\", apiKey: {KEY}}}}}\n\
             - {{name: bad-{name}, llm: {{provider: {provider}, dialects: [{name}], baseUrl: \"{url}\", apiKey: other}}}}"
        )
        .expect("a string takes any text");
        writeln!(
            models,
            "  - {{match: up-{name}, backend: up-{name}, rewrite: {MODEL}}}\n  - {{match: bad-{name}, backend: bad-{name}, rewrite: {MODEL}}}"
        )
        .expect("a string takes any text");
    }
    config.push_str("- name: models\n  models:\n");
    config.push_str(&models);
    config.push_str("routes: [{backend: models}]\n");
    let gateway = Gateway::builder()
        .source(ValueSource::text(&config))
        .sink(records);
    let gateway = gateway.build().await.expect("the configuration is right");
    gateway.run().await.expect("a free port is bound")
}
