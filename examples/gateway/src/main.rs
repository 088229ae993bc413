//! The full gateway: `cargo run`, then paste the curl line it prints.
//!
//! Without a file it offers every provider whose usual environment key is set, and always the model `echo`,
//! on <http://127.0.0.1:8080>. You will see where it listens, which providers it found and by which variable,
//! and one line for every call. `portcullis --help` tells the rest; this file is only the order of things.

mod arguments;
mod configuration;
mod failure;
mod inspect;
mod memory;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use configuration::Configuration;
use failure::Failure;

// Many short-lived allocations from several threads are what a gateway does all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    run(arguments).unwrap_or_else(|failure| {
        // Nobody reads a closed standard error; the exit code remains.
        let _ = writeln!(std::io::stderr(), "{failure}");
        failure.exit_code()
    })
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let configuration = |path| Configuration::choose(path, arguments.listen, arguments.admin);
    match arguments.command {
        None => start(configuration(arguments.config)?, !arguments.no_watch),
        Some(Command::Validate { path }) => print(&inspect::validate(&configuration(
            path.or(arguments.config),
        )?)?),
        Some(Command::Explain(asked)) => print(&inspect::explain(
            &configuration(arguments.config)?,
            &asked,
        )?),
        Some(Command::Diff { old, new, format }) => {
            let (text, code) = inspect::diff(&old, &new, format)?;
            print(&text).map(|_| code)
        }
        Some(Command::Schema) => print(&inspect::schema()),
    }
}

/// Serves until a signal, with a thread for every core.
fn start(configuration: Configuration, follow: bool) -> Result<ExitCode, Failure> {
    serve::log();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut runtime = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|e| Failure::run(&e, ""))?;
    runtime.spawn(memory::give_back());
    runtime.block_on(serve::serve(configuration, follow))
}

/// Writes what was asked for to the standard output.
fn print(text: &str) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader has seen enough, as with `portcullis schema | head`.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(e) => Err(Failure::run(&e, "")),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}
