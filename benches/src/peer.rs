//! Who stands between the client and the mock.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use crate::load::{KEY, Tally};
use crate::process::{AROUND, MEASURED, Server, free_address, program};
use crate::scenario::Scenario;

/// A proxy to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The least one can do.
    Bare,
    /// The gateway, as [`Setup`] has it.
    Portcullis,
}

/// What the gateway does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// An API key is asked for and every call is recorded, in the access log too.
    Full,
    /// It is passed on.
    Plain,
}

/// A proxy that runs, with the configuration it was started with.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub server: Server,
    _config: NamedTempFile,
}

/// Starts the mock, beside what is measured.
///
/// # Errors
///
/// When it was not built, or does not start.
pub fn mock() -> Result<Server> {
    let address = free_address()?;
    let mut command = program(AROUND, &[], "mock")?;
    command.arg(address.to_string());
    Server::start(command, address)
}

impl Peer {
    /// Its name in tables and in the baseline.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Portcullis => "portcullis",
        }
    }

    /// Starts it on a core of its own, before the mock at `upstream`, `under` a tool if one is named.
    ///
    /// # Errors
    ///
    /// When it was not built, or does not start.
    pub fn start(self, setup: Setup, upstream: SocketAddr, under: &[String]) -> Result<Running> {
        let address = free_address()?;
        let mut config = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        config.write_all(setup.config(address, upstream).as_bytes())?;
        let mut command = program(MEASURED, under, self.name())?;
        match self {
            Self::Bare => command.args([address.to_string(), upstream.to_string()]),
            Self::Portcullis => command.arg("--config").arg(config.path()),
        };
        command.stdout(Stdio::null());
        if under.is_empty() {
            command.stderr(Stdio::null());
        }
        Ok(Running {
            server: Server::start(command, address)?,
            _config: config,
        })
    }
}

impl Setup {
    fn config(self, listen: SocketAddr, upstream: SocketAddr) -> String {
        let (log, policies) = match self {
            Self::Full => (
                "accessLog: {format: json, path: /dev/null}",
                format!("[{{apiKeyAuthentication: {{keys: [{{key: {KEY}, id: one}}]}}}}]"),
            ),
            Self::Plain => ("", "[]".to_owned()),
        };
        format!(
            "schemaVersion: 1\nlisteners: [{{name: main, address: \"{listen}\"}}]\n{log}\n\
             routes:\n- policies: {policies}\n  backend:\n    llm: {{provider: openai-compatible, \
             baseUrl: \"http://{upstream}/v1\", apiKey: sk-upstream}}\n"
        )
    }
}

/// Runs the client against `address`, beside what is measured.
///
/// # Errors
///
/// When any answer is not as the scenario has it.
pub fn load(address: SocketAddr, scenario: Scenario, load: Load) -> Result<Tally> {
    let mut command = program(AROUND, &[], "load")?;
    command
        .args([&address.to_string(), scenario.name()])
        .arg(format!("--connections={}", load.connections))
        .arg(format!("--ramp-ms={}", load.ramp.as_millis()))
        .arg(format!("--time-ms={}", load.time.as_millis()))
        .arg(format!("--calls={}", load.calls))
        .stderr(Stdio::inherit());
    let output = command.output().context("cannot start the client")?;
    ensure!(output.status.success(), "the client failed: {command:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// How much a client asks.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once.
    pub connections: u32,
    /// The time over which they open.
    pub ramp: Duration,
    /// For so long.
    pub time: Duration,
    /// So many calls at most.
    pub calls: u64,
}

impl Load {
    /// As many calls as get done in a time.
    pub fn lasting(connections: u32, time: Duration) -> Self {
        Self {
            connections,
            ramp: Duration::ZERO,
            time,
            calls: u64::MAX,
        }
    }

    /// A number of calls, however long they take.
    pub fn counted(connections: u32, calls: u64) -> Self {
        Self {
            calls,
            ..Self::lasting(connections, Duration::from_secs(600))
        }
    }
}
