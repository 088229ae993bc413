//! Calls that must go well, whatever others do.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use portcullis_testkit::{Client, Outgoing, Reply};
use tokio::time::{Instant, sleep, timeout};

/// A healthy call takes no longer than this, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two calls of one client.
const PAUSE: Duration = Duration::from_millis(20);

const CHAT: &str =
    r#"{"model":"gpt-test","messages":[{"role":"user","content":"Name three rivers."}]}"#;
const STREAM: &str = r#"{"model":"gpt-test","stream":true,"messages":[{"role":"user","content":"Name three rivers."}]}"#;
const EMBEDDINGS: &str = r#"{"model":"embed-test","input":["three","rivers"]}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const PARTS: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");

/// What a healthy client asks for, in turn.
const KINDS: [&str; 6] = [
    "chat",
    "stream",
    "embeddings",
    "models",
    "upload",
    "not found",
];

/// What was done, by kind, and what went wrong with what must not.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    good: BTreeMap<&'static str, u64>,
    harm: BTreeMap<&'static str, u64>,
    slowest: Duration,
    failures: Vec<String>,
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, kind: &'static str, answer: Result<()>, took: Duration) {
        let mut inner = self.lock();
        match answer {
            Ok(()) => *inner.good.entry(kind).or_default() += 1,
            Err(e) => inner.failures.push(format!("{kind}: {e:#}")),
        }
        inner.slowest = inner.slowest.max(took);
    }

    /// Notes that harm of this kind was done.
    pub(crate) fn harm(&self, kind: &'static str) {
        *self.lock().harm.entry(kind).or_default() += 1;
    }

    /// How many healthy calls there were, and how long the slowest of them took.
    pub(crate) fn good(&self) -> (u64, Duration) {
        let inner = self.lock();
        (inner.good.values().sum(), inner.slowest)
    }

    /// How many healthy calls failed.
    pub(crate) fn failed(&self) -> usize {
        self.lock().failures.len()
    }

    /// # Errors
    ///
    /// When a healthy call failed, or there was none.
    pub(crate) fn verdict(&self) -> Result<()> {
        let inner = self.lock();
        ensure!(!inner.good.is_empty(), "no call was answered");
        if let Some(first) = inner.failures.first() {
            bail!(
                "{} healthy calls failed, the first: {first}",
                inner.failures.len()
            );
        }
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        for (kind, count) in &inner.good {
            writeln!(f, "| healthy calls: {kind} | {count} |")?;
        }
        writeln!(
            f,
            "| the slowest of them | {:.0} ms |",
            inner.slowest.as_secs_f64() * 1e3
        )?;
        writeln!(
            f,
            "| healthy calls that failed | {} |",
            inner.failures.len()
        )?;
        for (kind, count) in &inner.harm {
            writeln!(f, "| harm done: {kind} | {count} |")?;
        }
        Ok(())
    }
}

/// Calls one after the other until the end.
pub(crate) async fn run(address: SocketAddr, n: usize, end: Instant, counts: Arc<Counts>) {
    let mut kinds = KINDS.iter().cycle().skip(n);
    while Instant::now() < end
        && let Some(kind) = kinds.next()
    {
        let start = Instant::now();
        let answer = timeout(PATIENCE, call(address, kind)).await;
        let answer = answer.context("it took too long").flatten();
        counts.note(kind, answer, start.elapsed());
        sleep(PAUSE).await;
    }
}

async fn call(address: SocketAddr, kind: &str) -> Result<()> {
    let url = |path: &str| format!("http://{address}{path}");
    let send = |path: &str, header, body: Outgoing| {
        let (client, url) = (Client::new(), url(path));
        async move { client.send(Method::POST, &url, &[header], body).await }
    };
    let (reply, end): (Reply, &str) = match kind {
        "chat" => (send("/v1/chat/completions", JSON, CHAT.into()).await?, "}"),
        "stream" => (
            send("/v1/chat/completions", JSON, STREAM.into()).await?,
            "data: [DONE]",
        ),
        "embeddings" => (send("/v1/embeddings", JSON, EMBEDDINGS.into()).await?, "}"),
        "upload" => (send("/v1/files", PARTS, upload().into()).await?, "}"),
        "models" => (Client::new().get(&url("/v1/models")).await?, "}"),
        _ => {
            let reply = send("/v1/chat/completions", JSON, "{}".into()).await?;
            ensure!(
                reply.status == 400,
                "status {} for a bad call",
                reply.status
            );
            return Ok(());
        }
    };
    ensure!(
        reply.status == 200,
        "status {}: {}",
        reply.status,
        reply.text()
    );
    let text = reply.text();
    ensure!(text.trim_end().ends_with(end), "an end is missing: {text}");
    Ok(())
}

fn upload() -> String {
    let file = "x".repeat(256 << 10);
    format!(
        "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--b--\r\n"
    )
}
