//! Before the request line: the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("PORTCULLIS_COMMIT"),
    ")"
);

const ABOUT: &str = "\
The Portcullis AI gateway.

Without a file it listens on 127.0.0.1:8080, for this machine only, and offers every provider whose usual \
environment key is set, as `provider/model`, and always the built-in model `echo`, which needs no key.";

const AFTER: &str = "\
Examples:
  portcullis                               every provider found, and `echo`, on 127.0.0.1:8080
  OPENAI_API_KEY=... portcullis            with OpenAI among them
  portcullis --config gateway.yaml         as the file says
  portcullis --config gateways/            a directory: one project per team
  portcullis validate gateway.yaml         every error with file, line and column
  portcullis explain POST http://127.0.0.1:8080/v1/chat/completions \\
      --body '{\"model\": \"echo\", \"messages\": []}'

Output: the access log is written to the standard output, all else to the standard error.
RUST_LOG, as in RUST_LOG=portcullis=debug, says how much is told there.

Signals: SIGINT and SIGTERM stop accepting and let calls under way finish for 30 s; a second one cuts them.

Exit codes:
  0  it did what was asked; a gateway stopped and every call finished
  1  it could not run: an address in use, a log that cannot be opened
  2  a mistake in the command line or the configuration
  3  it stopped, but cut connections whose calls had not finished";

/// What the command line says.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version = VERSION, about = ABOUT, after_help = AFTER)]
pub(crate) struct Arguments {
    /// The configuration: a YAML or JSON file, or a directory of them
    #[arg(long, short, value_name = "FILE|DIR", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Without a configuration: the address to listen on, which must be of this machine only
    #[arg(long, value_name = "ADDR", global = true)]
    pub(crate) listen: Option<SocketAddr>,
    /// Without a configuration: the address of the admin pages (/metrics, /livez, /readyz); none by default
    #[arg(long, value_name = "ADDR", global = true)]
    pub(crate) admin: Option<SocketAddr>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a configuration without serving: every error with file, line and column
    Validate {
        /// The file or directory; the same as --config
        #[arg(value_name = "FILE|DIR", conflicts_with = "config")]
        path: Option<PathBuf>,
    },
    /// Tell what would become of a request: route, policies, backend, and why
    Explain(Asked),
    /// Print the JSON schema of the configuration, for editors
    Schema,
}

/// A request to explain.
#[derive(Args, Debug)]
pub(crate) struct Asked {
    /// The method, as in POST
    #[arg(value_name = "METHOD")]
    pub(crate) method: String,
    /// The URL, as in http://127.0.0.1:8080/v1/chat/completions; its port picks the listener
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// A header, as in -H 'authorization: Bearer ...'; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The body, or @FILE to read it from a file
    #[arg(long, short, value_name = "TEXT|@FILE")]
    pub(crate) body: Option<String>,
}
