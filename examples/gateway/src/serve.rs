//! The whole line: a gateway that says where it is, serves, and stops when told to.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use listenfd::ListenFd;
use portcullis::core::config::{AccessLog, Shutdown};
use portcullis::listener::Drained;
use portcullis::zero::ZeroConfig;
use portcullis::{Gateway, RunError, Running};
use tracing_subscriber::EnvFilter;

use crate::configuration::Configuration;
use crate::failure::Failure;

/// Some connections were cut.
const CUT: u8 = 3;

/// What the program itself has to tell goes to the standard error, as `RUST_LOG` says.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,portcullis::status=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Serves until a signal, and tells how that ended.
pub(crate) async fn serve(configuration: Configuration, follow: bool) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(|e| Failure::run(&e, ""))?;
    let builder = configuration.builder().access_log(AccessLog::default());
    let sockets = handed_over().map_err(|e| Failure::run(&e, ""))?;
    let gateway = builder.sockets(sockets).follow(follow).build().await?;
    tell(&gateway.status().last.findings);
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
    let drained = until_stopped(&gateway, running, &mut signals).await;
    let Drained { finished, cut, .. } = drained;
    tell(&format!(
        "stopped: {finished} connections finished, {cut} were cut\n"
    ));
    Ok(match cut {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(CUT),
    })
}

/// The sockets a supervisor has bound for us, as systemd does: see sd_listen_fds(3).
fn handed_over() -> io::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for number in 0..handed.len() {
        sockets.extend(handed.take_tcp_listener(number)?);
    }
    Ok(sockets)
}

/// The first signal to stop begins the stop, the second ends it. One to reload has the configuration loaded
/// anew and the access log opened anew.
async fn until_stopped(gateway: &Gateway, running: Running, signals: &mut Signals) -> Drained {
    let stop = running.stopping();
    let ended = running.wait();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            drained = &mut ended => return drained,
            signal = signals.next() => match signal {
                Signal::Reload => reload(gateway).await,
                Signal::Stop => break,
            },
        }
    }
    tell(&stopping(&stop.settings()));
    let begin = stop.begin();
    tokio::pin!(begin);
    let mut begun = false;
    loop {
        tokio::select! {
            drained = &mut ended => return drained,
            () = &mut begin, if !begun => begun = true,
            signal = signals.next() => match signal {
                Signal::Reload => {}
                Signal::Stop => break,
            },
        }
    }
    stop.cut();
    ended.await
}

fn stopping(settings: &Shutdown) -> String {
    let delay = if settings.delay.get().is_zero() {
        String::new()
    } else {
        format!("new calls are taken for another {}, then ", settings.delay)
    };
    let grace = settings.grace;
    format!("stopping: {delay}calls under way have {grace} to finish; another signal cuts them\n")
}

async fn reload(gateway: &Gateway) {
    if let Err(e) = gateway.reopen_access_log() {
        tell(&format!(
            "error: the access log cannot be opened anew: {e}\n"
        ));
    }
    // What is wrong was logged, and stands in the report.
    let _ = gateway.reload().await;
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
        let scheme = running.scheme(&id);
        line(&mut text, format_args!("{name} {scheme}://{address}"));
    }
    for (id, path) in running.sockets() {
        line(&mut text, format_args!("{id}: unix:{}", path.display()));
    }
    if let Some(admin) = running.admin() {
        line(
            &mut text,
            format_args!("admin pages: http://{admin}/metrics /livez /readyz /config/report"),
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

/// What a signal asks for.
enum Signal {
    Stop,
    Reload,
}

/// The signals the program heeds.
struct Signals {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
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
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> Signal {
        // Without a way to hear it the program cannot be asked, only killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}
