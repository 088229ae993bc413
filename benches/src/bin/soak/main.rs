//! Does the gateway stand a long day? `soak --seconds 3600` sends mixed traffic through it with faults from both
//! sides; `soak --slow 10000` has so many clients that never finish their heads. It fails when a healthy call
//! fails, or when the gateway's memory does not come to rest.

mod harm;
mod slow;
mod traffic;
mod watch;

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use portcullis_benches::process::{Server, free_address};
use portcullis_testkit::Upstream;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio::time::Instant;

use traffic::Counts;
use watch::Watch;

/// Sends mixed traffic with faults through a gateway, and watches its memory.
#[derive(Clone, Copy, Debug, Parser)]
struct Arguments {
    /// For so long; a release is tried for 3600.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Before that, for so long, twice as many clients: pools, caches and the allocator come to their size.
    #[arg(long, default_value_t = 20)]
    warm_up: u64,
    /// Instead: so many connections whose heads do not come, beside good traffic.
    #[arg(long)]
    slow: Option<usize>,
    /// So many clients whose calls must go well.
    #[arg(long, default_value_t = 6)]
    good: usize,
    /// So many that do harm.
    #[arg(long, default_value_t = 6)]
    bad: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            match arguments.slow {
                Some(connections) => slow::run(connections, arguments.good).await,
                None => soak(arguments).await,
            }
        })
}

async fn soak(arguments: Arguments) -> Result<()> {
    let gateway = Gateway::start("").await?;
    let counts = Arc::new(Counts::default());
    let warm = after(arguments.warm_up);
    let crowd = Arguments {
        good: 2 * arguments.good,
        bad: 2 * arguments.bad,
        ..arguments
    };
    finish(crowd.clients(gateway.address(), warm, &counts)).await?;
    let end = after(arguments.seconds);
    let clients = arguments.clients(gateway.address(), end, &counts);
    let watch = Watch::over(&gateway.server, end, &counts).await?;
    finish(clients).await?;
    let mut out = stdout();
    writeln!(out, "| soak of {} s | |\n|---|--:|", arguments.seconds)?;
    write!(out, "{counts}{watch}")?;
    counts.verdict()?;
    watch.verdict()
}

impl Arguments {
    /// Sets all clients to work until `end`.
    fn clients(self, address: SocketAddr, end: Instant, counts: &Arc<Counts>) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for n in 0..self.good {
            clients.spawn(traffic::run(address, n, end, counts.clone()));
        }
        for n in 0..self.bad {
            clients.spawn(harm::run(address, n, end, counts.clone()));
        }
        clients
    }
}

async fn finish(mut clients: JoinSet<()>) -> Result<()> {
    while let Some(client) = clients.join_next().await {
        client?;
    }
    Ok(())
}

fn after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// A gateway in front of a fake upstream that fails as it is told to.
pub(crate) struct Gateway {
    pub(crate) server: Server,
    _upstream: Upstream,
    _config: NamedTempFile,
}

impl Gateway {
    /// Starts one, with further limits of its listener.
    pub(crate) async fn start(limits: &str) -> Result<Self> {
        let upstream = Upstream::start().await?;
        upstream.capture(false);
        let address = free_address()?;
        let config = format!(
            "schemaVersion: 1\nlisteners: [{{name: main, address: \"{address}\", limits: {{{limits}}}}}]\n\
             accessLog: {{format: json, path: /dev/null}}\nroutes:\n\
             - policies: [{{timeouts: {{request: 20s, idle: 2s, firstByte: 2s}}}}]\n  backend:\n    \
             llm: {{provider: openai-compatible, baseUrl: \"{}/v1\", apiKey: sk-upstream}}\n",
            upstream.url()
        );
        let mut file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        file.write_all(config.as_bytes())?;
        let mut command = all_files(&std::env::current_exe()?.with_file_name("portcullis"))?;
        command.arg("--config").arg(file.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // It waits by blocking, and the upstream is on this thread.
        let server = tokio::task::spawn_blocking(move || Server::start(command, address)).await??;
        Ok(Self {
            server,
            _upstream: upstream,
            _config: file,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }
}

/// A program that may open as many files as the system lets anyone.
fn all_files(program: &Path) -> Result<Command> {
    let build = "cargo build -p portcullis-gateway -p portcullis-benches";
    ensure!(
        program.exists(),
        "{} is missing: {build}",
        program.display()
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -n $(ulimit -H -n); exec \"$@\"", "sh"])
        .arg(program.to_str().context("a path that is no text")?)
        .stdin(Stdio::null());
    Ok(command)
}
