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
//! `--port 0`, the default, takes a free port; `--require-key KEY` demands it; `--shape NAME` answers
//! every request with that recording; `--quiet` records and prints nothing, for load.

use std::{
    env,
    io::{self, Write},
};

use portcullis_testkit::{Script, Seen, Shape, Upstream, shape};
use serde_json::json;

#[tokio::main]
async fn main() -> io::Result<()> {
    let given = Arguments::read(env::args().skip(1))?;
    let upstream = Upstream::bind(given.port).await?;
    if let Some(key) = given.key {
        upstream.require_key(&key);
    }
    if let Some(shape) = given.shape {
        upstream.script(Script::new().always(shape));
    }
    upstream.capture(!given.quiet);
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

#[derive(Default)]
struct Arguments {
    port: u16,
    key: Option<String>,
    shape: Option<&'static Shape>,
    quiet: bool,
}

impl Arguments {
    fn read(mut given: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut arguments = Self::default();
        while let Some(name) = given.next() {
            let mut value = || given.next().ok_or_else(|| refuse(&name, "needs a value"));
            match name.as_str() {
                "--port" => arguments.port = value()?.parse().map_err(io::Error::other)?,
                "--require-key" => arguments.key = Some(value()?),
                "--shape" => {
                    let shape = shape(&value()?).ok_or_else(|| refuse(&name, "names no shape"))?;
                    arguments.shape = Some(shape);
                }
                "--quiet" => arguments.quiet = true,
                _ => return Err(refuse(&name, "is unknown")),
            }
        }
        Ok(arguments)
    }
}

fn refuse(name: &str, why: &str) -> io::Error {
    io::Error::other(format!("{name} {why}"))
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
