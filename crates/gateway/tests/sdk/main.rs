//! The whole line, end to end: official Python SDKs call through the gateway, in their own dialect and across.
//!
//! `tests/sdk/run.py` makes every call twice, through the gateway and straight to upstreams of the same
//! kind, and compares what it gets. Here is compared what the upstreams saw.

mod matrix;
mod python;
mod twins;

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis::core::context::{Exchange, ExchangeSink, Outcome};
use portcullis::source::ValueSource;
use portcullis::{Gateway, Running};
use portcullis_testkit::{Ended, Seen};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use twins::{ANTHROPIC_KEY, OPENAI_KEY, Upstreams};

/// How soon an upstream must learn that the caller has left.
const CANCEL: Duration = Duration::from_secs(1);

/// What a run of the script came to.
struct Ran {
    status: ExitStatus,
    output: String,
    /// Cases whose caller hung up, and whether the upstream learnt it in time.
    left: Vec<(String, bool)>,
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdks_work_through_the_gateway_as_they_do_without_it() {
    let python = match python::find().await {
        Ok(python) => python,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let (behind, beside) = (Upstreams::start().await, Upstreams::start().await);
    let records = Records::default();
    let gateway = start(&behind, records.clone()).await;
    let (_, address) = &gateway.addresses()[0];
    let mut script = python::script(&python, "run.py");
    script.env("GATEWAY", format!("http://{address}"));
    script.env("OPENAI", beside.openai.url());
    script.env("ANTHROPIC", beside.anthropic.url());
    let ran = run(script, &behind).await;

    assert!(ran.status.success(), "{}", ran.output);
    assert_eq!(ran.left.len(), 5, "{}", ran.output);
    for (case, in_time) in &ran.left {
        assert!(in_time, "{case}: the upstream was not cancelled");
    }
    twins::compare(&behind, &beside);
    twins::check_calls(&behind);
    gateway.stop().await;
    records.check(ran.left.len());
}

/// The records of all calls.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<Exchange>>>);

impl ExchangeSink for Records {
    fn record(&self, exchange: Box<Exchange>) {
        self.lock().push(*exchange);
    }
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.0.lock().expect("nobody panics with it")
    }

    /// Demands that what the callers who left have cost is recorded, if only by estimate.
    fn check(&self, left: usize) {
        let records = self.lock();
        let gone = |record: &&Exchange| record.outcome == Outcome::ClientLeft;
        let gone: Vec<_> = records.iter().filter(gone).collect();
        assert_eq!(gone.len(), left);
        for record in gone {
            let usage = record.usage().expect("what reached an upstream was billed");
            assert!(usage.estimated && usage.input > 0, "{record:?}");
            let begun = record.first_token().is_some();
            assert_eq!(usage.output > 0, begun, "{record:?}");
        }
    }
}

/// A gateway before these upstreams.
async fn start(behind: &Upstreams, records: Records) -> Running {
    let (openai, anthropic) = (behind.openai.url(), behind.anthropic.url());
    let config = format!(
        r#"
        schemaVersion: 1
        listeners: [{{name: web, address: "127.0.0.1:0"}}]
        backends:
        - {{name: echo, echo: {{}}}}
        - {{name: openai, llm: {{provider: openai, baseUrl: "{openai}/v1", apiKey: {OPENAI_KEY}}}}}
        - {{name: anthropic, llm: {{provider: anthropic, baseUrl: "{anthropic}", apiKey: {ANTHROPIC_KEY}}}}}
        - name: models
          models:
          - {{match: echo, backend: echo}}
          - {{match: "gpt-*", backend: openai}}
          - {{match: "embed-*", backend: openai}}
          - {{match: fast, backend: openai, rewrite: gpt-test}}
          - {{match: "claude-*", backend: anthropic}}
        routes:
        - {{backend: models}}
        - {{match: {{path: {{prefix: /openai}}}}, backend: openai}}
        - {{match: {{path: {{prefix: /anthropic}}}}, backend: anthropic}}
        "#
    );
    let gateway = Gateway::builder()
        .source(ValueSource::text(&config))
        .sink(records);
    let gateway = gateway.build().await.expect("the configuration is right");
    gateway.run().await.expect("a free port is bound")
}

/// Runs the script, and looks for the calls its callers leave as it tells of them.
async fn run(mut script: tokio::process::Command, behind: &Upstreams) -> Ran {
    let mut child = script.spawn().expect("python starts");
    let complaints = tokio::spawn(collect(child.stderr.take().expect("it is piped")));
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let (mut output, mut left) = (String::new(), Vec::new());
    while let Some(line) = lines.next_line().await.expect("it writes UTF-8") {
        if let Some(case) = line.strip_prefix("left ") {
            left.push((case.to_owned(), cancelled(behind, case).await));
        }
        output.push_str(&line);
        output.push('\n');
    }
    output.push_str(&complaints.await.expect("reading does not panic"));
    Ran {
        status: child.wait().await.expect("it was started"),
        output,
        left,
    }
}

async fn collect(from: impl AsyncRead + Unpin) -> String {
    let mut lines = BufReader::new(from).lines();
    let mut all = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// Whether the upstream of a case learns in time that its client has left.
async fn cancelled(behind: &Upstreams, case: &str) -> bool {
    let upstream = behind.of(case).expect("the call had reached an upstream");
    let ended = |seen: &Seen| twins::case(seen) == Some(case) && seen.ended == Ended::Cancelled;
    upstream.wait_for(CANCEL, ended).await.is_some()
}
