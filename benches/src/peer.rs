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
use crate::tls::Certificate;

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

    /// Starts it on a core of its own, before the mock at `upstream`, `under` a tool if one is named. With a
    /// certificate it speaks TLS.
    ///
    /// # Errors
    ///
    /// When it was not built, or does not start.
    pub fn start(
        self,
        setup: Setup,
        tls: Option<&Certificate>,
        upstream: SocketAddr,
        under: &[String],
    ) -> Result<Running> {
        let address = free_address()?;
        let mut config = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        config.write_all(setup.config(address, tls, upstream).as_bytes())?;
        let mut command = program(MEASURED, under, self.name())?;
        match self {
            Self::Bare => command
                .args([address.to_string(), upstream.to_string()])
                .args(tls.into_iter().flat_map(Certificate::files)),
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
    fn config(self, listen: SocketAddr, tls: Option<&Certificate>, upstream: SocketAddr) -> String {
        let tls = tls.map_or(String::new(), |tls| {
            let [certificate, key] = tls.files().map(|path| path.display().to_string());
            let pair = format!("certificate: {{file: {certificate}}}, key: {{file: {key}}}");
            format!(", tls: {{certificates: [{{{pair}}}]}}")
        });
        let (log, policies) = match self {
            Self::Full => (
                "accessLog: {format: json, path: /dev/null}",
                format!("[{{apiKeyAuthentication: {{keys: [{{key: {KEY}, id: one}}]}}}}]"),
            ),
            Self::Plain => ("", "[]".to_owned()),
        };
        format!(
            "schemaVersion: 1\nlisteners: [{{name: main, address: \"{listen}\"{tls}}}]\n{log}\n\
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
pub fn load(address: SocketAddr, scenario: Scenario, load: Load<'_>) -> Result<Tally> {
    let mut command = program(AROUND, &[], "load")?;
    match load.over {
        Over::Clear => {}
        Over::Tls(certificate) => {
            command.arg("--tls").arg(certificate.path());
        }
        Over::Handshakes(certificate) => {
            command.arg("--handshakes");
            command.arg("--tls").arg(certificate.path());
        }
    }
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
pub struct Load<'a> {
    /// Connections at once.
    pub connections: u32,
    /// The time over which they open.
    pub ramp: Duration,
    /// For so long.
    pub time: Duration,
    /// So many calls at most.
    pub calls: u64,
    /// On what.
    pub over: Over<'a>,
}

/// What is spoken below HTTP.
#[derive(Clone, Copy, Debug)]
pub enum Over<'a> {
    /// Nothing.
    Clear,
    /// TLS, on kept connections.
    Tls(&'a Certificate),
    /// TLS and nothing above it: each call is a connection, a full handshake, and its end.
    Handshakes(&'a Certificate),
}

impl<'a> Over<'a> {
    /// What the server shows, if it speaks TLS.
    pub fn certificate(self) -> Option<&'a Certificate> {
        match self {
            Self::Clear => None,
            Self::Tls(certificate) | Self::Handshakes(certificate) => Some(certificate),
        }
    }
}

impl<'a> Load<'a> {
    /// As many calls as get done in a time.
    pub fn lasting(connections: u32, time: Duration) -> Self {
        Self {
            connections,
            ramp: Duration::ZERO,
            time,
            calls: u64::MAX,
            over: Over::Clear,
        }
    }

    /// The same on something else.
    #[must_use]
    pub fn over(self, over: Over<'a>) -> Self {
        Self { over, ..self }
    }

    /// A number of calls, however long they take.
    pub fn counted(connections: u32, calls: u64) -> Self {
        Self {
            calls,
            ..Self::lasting(connections, Duration::from_secs(600))
        }
    }
}
