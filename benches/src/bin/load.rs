//! A client: `load ADDRESS SCENARIO` prints what it counted as a line of JSON.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use portcullis_benches::load::Plan;
use portcullis_benches::scenario::Scenario;
use portcullis_benches::tls;

/// Asks and counts; fails at the first answer that is not as expected.
#[derive(Parser)]
struct Arguments {
    address: SocketAddr,
    #[arg(value_parser = |name: &str| Scenario::named(name).ok_or("no such scenario"))]
    scenario: Scenario,
    #[arg(long, default_value_t = 1)]
    connections: u32,
    #[arg(long, default_value_t = 0)]
    ramp_ms: u64,
    #[arg(long, default_value_t = 60_000)]
    time_ms: u64,
    #[arg(long, default_value_t = u64::MAX)]
    calls: u64,
    /// Speak TLS, and trust this certificate.
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Ask nothing: open a connection, shake hands and end it.
    #[arg(long, requires = "tls")]
    handshakes: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let plan = Plan {
        address: arguments.address,
        scenario: arguments.scenario,
        connections: arguments.connections,
        ramp: Duration::from_millis(arguments.ramp_ms),
        time: Duration::from_millis(arguments.time_ms),
        calls: arguments.calls,
        tls: arguments.tls.as_deref().map(tls::client).transpose()?,
        handshakes: arguments.handshakes,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tally = runtime.block_on(plan.run())?;
    writeln!(stdout(), "{}", serde_json::to_string(&tally)?)?;
    Ok(())
}
