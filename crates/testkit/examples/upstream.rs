//! Runs the fake LLM host in the foreground:
//!
//! ```text
//! cargo run -p portcullis-testkit --example upstream -- --port 9999
//! curl http://127.0.0.1:9999/v1/chat/completions -H 'x-fault: cut-after-3' \
//!     -d '{"model":"gpt-test","stream":true,"messages":[{"role":"user","content":"hi"}]}'
//! ```
//!
//! The first line of output is `{"listening": "http://127.0.0.1:9999"}`; then one JSON line for
//! each request at its end: number, connection, method, target, path, headers as pairs, body_length,
//! body (if it is JSON), status, ended (completed, cancelled or broken), and the meter's totals.
//! `--port 0`, the default, takes a free port; `--require-key KEY` demands it.

use std::{
    env,
    io::{self, Write},
};

use portcullis_testkit::{Seen, Upstream};
use serde_json::json;

#[tokio::main]
async fn main() -> io::Result<()> {
    let (port, key) = arguments(env::args().skip(1))?;
    let upstream = Upstream::bind(port).await?;
    if let Some(key) = key {
        upstream.require_key(&key);
    }
    let mut ended = upstream.subscribe();
    let mut out = io::stdout();
    writeln!(out, "{}", json!({"listening": upstream.url()}))?;
    while let Some(seen) = ended.recv().await {
        writeln!(out, "{}", line(&seen, &upstream))?;
        out.flush()?;
        upstream.forget();
    }
    Ok(())
}

fn arguments(mut given: impl Iterator<Item = String>) -> io::Result<(u16, Option<String>)> {
    let (mut port, mut key) = (0, None);
    while let Some(name) = given.next() {
        let value = given
            .next()
            .ok_or_else(|| io::Error::other(format!("{name} needs a value")))?;
        match name.as_str() {
            "--port" => port = value.parse().map_err(io::Error::other)?,
            "--require-key" => key = Some(value),
            _ => return Err(io::Error::other(format!("unknown argument {name}"))),
        }
    }
    Ok((port, key))
}

fn line(seen: &Seen, upstream: &Upstream) -> serde_json::Value {
    let headers: Vec<_> = seen
        .headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let meter = upstream.meter();
    json!({
        "number": seen.number, "connection": seen.connection, "method": seen.method.as_str(),
        "target": seen.target, "path": seen.path(), "headers": headers,
        "body_length": seen.body.len(), "body": seen.json(), "status": seen.status,
        "ended": seen.ended.as_str(),
        "meter": {"input_tokens": meter.input_tokens, "output_tokens": meter.output_tokens},
    })
}
