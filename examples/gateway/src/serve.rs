//! The whole line: a gateway that says where it is, serves, and stops when told to.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use portcullis::core::config::AccessLog;
use portcullis::listener::Drained;
use portcullis::zero::ZeroConfig;
use portcullis::{RunError, Running};
use tracing_subscriber::EnvFilter;

use crate::configuration::Configuration;
use crate::failure::Failure;

/// How long calls under way may take to finish once the gateway is told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Some connections were cut.
const CUT: u8 = 3;

/// What the program itself has to tell goes to the standard error, as `RUST_LOG` says.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
}

/// Serves until a signal, and tells how that ended.
pub(crate) async fn serve(configuration: Configuration) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(|e| Failure::run(&e, ""))?;
    let builder = configuration.builder().access_log(AccessLog::default());
    let gateway = builder.build().await?;
    tell(gateway.findings());
    let running = gateway
        .run()
        .await
        .map_err(|e| cannot_run(&e, &configuration))?;
    if running.addresses().is_empty() && running.sockets().is_empty() {
        return Err(Failure::given(
            "the configuration has no listener, so nobody could call",
        ));
    }
    tell(&greeting(&configuration, &running));
    let drained = until_stopped(running, &mut signals).await;
    Ok(match drained.cut {
        0 => ExitCode::SUCCESS,
        cut => {
            tell(&format!("{cut} connections were cut\n"));
            ExitCode::from(CUT)
        }
    })
}

/// The first signal begins the stop, the second ends it.
async fn until_stopped(running: Running, signals: &mut Signals) -> Drained {
    let shutdown = running.shutdown();
    let ended = running.wait();
    tokio::pin!(ended);
    tokio::select! {
        drained = &mut ended => return drained,
        () = signals.next() => shutdown.begin(GRACE),
    }
    tell("stopping: calls under way have 30 s to finish; another signal cuts them\n");
    tokio::select! {
        drained = &mut ended => return drained,
        () = signals.next() => shutdown.begin(Duration::ZERO),
    }
    ended.await
}

/// Why it cannot run, and what to change.
fn cannot_run(e: &RunError, configuration: &Configuration) -> Failure {
    let RunError::Bind(bind) = e else {
        return Failure::run(e, "");
    };
    let help = match (bind.kind(), configuration) {
        (io::ErrorKind::AddrInUse, Configuration::Zero(_)) => {
            "\nhelp: another program listens there; stop it, or take another port: `--listen 127.0.0.1:8081`"
        }
        (io::ErrorKind::AddrInUse, Configuration::Files(_)) => {
            "\nhelp: another program listens there; stop it, or change the `address` in the configuration"
        }
        (io::ErrorKind::PermissionDenied, _) => {
            "\nhelp: ports below 1024 need a permission; take a higher one"
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            "\nhelp: this machine has no such address; take one it has, or 0.0.0.0 for all"
        }
        _ => "",
    };
    Failure::run(bind, help)
}

/// What somebody who starts the gateway wants to know.
fn greeting(configuration: &Configuration, running: &Running) -> String {
    let mut text = String::new();
    if let Configuration::Zero(zero) = configuration {
        text.push_str(&offers(zero));
    }
    for (id, address) in running.addresses() {
        let name = match configuration {
            Configuration::Zero(_) => "listening on".to_owned(),
            Configuration::Files(_) => format!("{id}:"),
        };
        let scheme = running.scheme(id);
        line(&mut text, format_args!("{name} {scheme}://{address}"));
    }
    for (id, path) in running.sockets() {
        line(&mut text, format_args!("{id}: unix:{}", path.display()));
    }
    if let Some(admin) = running.admin() {
        line(
            &mut text,
            format_args!("admin pages: http://{admin}/metrics /livez /readyz"),
        );
    }
    if let (Configuration::Zero(_), Some((_, address))) =
        (configuration, running.addresses().first())
    {
        line(&mut text, format_args!("\nTry it:\n  {}", curl(*address)));
    }
    text
}

/// Which providers there are, by the name of the variable; a key itself is told nobody.
fn offers(zero: &ZeroConfig) -> String {
    let mut text =
        String::from("No configuration given: the gateway answers this machine only, with\n");
    for (vendor, variable) in &zero.found {
        let words = format!("models `{vendor}/...`, by the key in {variable}");
        line(&mut text, format_args!("  {vendor:<10} {words}"));
    }
    line(
        &mut text,
        format_args!("  {:<10} the built-in model, which needs no key", "echo"),
    );
    for (vendor, variables) in &zero.missing {
        let variables = variables.join(" or ");
        line(
            &mut text,
            format_args!("  ({vendor} is not offered: {variables} is not set)"),
        );
    }
    text
}

fn curl(address: SocketAddr) -> String {
    format!(
        "curl http://{address}/v1/chat/completions -H 'content-type: application/json' \
         -d '{{\"model\": \"echo\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'"
    )
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("a string takes any text");
}

/// Tells whoever started the program. That nobody may listen does not stop it.
fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The signals that ask the program to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) {
        // Without a way to hear it the program cannot be asked, only killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
