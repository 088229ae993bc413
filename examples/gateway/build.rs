//! Before the program: which commit it is built of, for `--version`.

use std::path::Path;
use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=PORTCULLIS_COMMIT={commit}");
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD grows with every commit and checkout; a clone without one has HEAD itself.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(file) =
            git(&["rev-parse", "--git-path", name]).filter(|f| Path::new(f).exists())
        {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

/// What git answers, unless there is no git, or no repository as in a source archive.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
