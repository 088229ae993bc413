//! Before the request line: the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
  portcullis diff old.yaml new.yaml        what a change would change, before it is made
  portcullis explain POST http://127.0.0.1:8080/v1/chat/completions \\
      --body '{\"model\": \"echo\", \"messages\": []}'

Output: the access log is written to the standard output, all else to the standard error.
RUST_LOG, as in RUST_LOG=portcullis=debug, says how much is told there.

A gateway follows its files: what is changed there is served within a second, and what is wrong is refused and
told, while the last good configuration serves on.

Signals: SIGHUP loads the configuration anew and opens the access log anew. SIGINT and SIGTERM stop accepting and
let calls under way finish (`shutdown: {delay: 0s, grace: 30s}`); a second one cuts them.

Exit codes:
  0  it did what was asked; a gateway stopped and every call finished; `diff` found no difference
  1  it could not run: an address in use, a log that cannot be opened; `diff` found a difference
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
    /// Do not load the configuration anew when its files change; SIGHUP does
    #[arg(long)]
    pub(crate) no_watch: bool,
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
    /// Tell what would change from one configuration to another: exit code 0 for nothing, 1 for something, 2 if
    /// the new one would be refused
    Diff {
        /// The file or directory that serves
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The file or directory that would
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// How it is told
        #[arg(long, value_name = "FORM", default_value = "text")]
        format: Format,
    },
    /// Print the JSON schema of the configuration, for editors
    Schema,
}

/// How something is told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Words for people.
    Text,
    /// One JSON object.
    Json,
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
