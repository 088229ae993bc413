//! Beside the line: how the program fails: what it says, once, and with which exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use portcullis::BuildError;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It could not run. Exit code 1.
    Run(String),
    /// The command line or the configuration is wrong. Exit code 2.
    Given(String),
}

impl Failure {
    /// It could not run, for `cause`, whose own causes are told too, and then `help`.
    pub(crate) fn run(cause: &dyn Error, help: &str) -> Self {
        Self::Run(format!("error: {}{help}", chain(cause)))
    }

    /// What was given on the command line cannot be.
    pub(crate) fn given(what: impl fmt::Display) -> Self {
        Self::Given(format!("error: {what}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Run(_) => ExitCode::from(1),
            Self::Given(_) => ExitCode::from(2),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(e: BuildError) -> Self {
        match e {
            // Every fault is shown in its own line already.
            BuildError::Refused { text, .. } => Self::Given(text.trim_end().to_owned()),
            BuildError::Records(_) => Self::run(&e, ""),
            e => Self::given(chain(&e)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(text) | Self::Given(text) => f.write_str(text),
        }
    }
}

/// An error with its causes, each told once.
fn chain(e: &dyn Error) -> String {
    let mut text = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        let words = e.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = e.source();
    }
    text
}
