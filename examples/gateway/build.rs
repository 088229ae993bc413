//! Before the program: which commit it is built of, for `--version`, and how it is linked.

use std::env;
use std::path::Path;
use std::process::Command;

/// The first glibc whose loader reads a packed table of relocations.
const PACKS: (u32, u32) = (2, 36);

fn main() {
    if loader_unpacks() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
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

/// Whether the places to correct for where the program is loaded may be listed packed (`DT_RELR`): 650 KiB that
/// are read at the start, and stay in memory, become 12. True where the program is built for the machine it is
/// built on, and that has a glibc which knows the form.
fn loader_unpacks() -> bool {
    let is = |key: &str, value: &str| env::var(key).is_ok_and(|found| found == value);
    let native = env::var("HOST").is_ok_and(|host| is("TARGET", &host));
    let glibc = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu");
    native && glibc && glibc_version().is_some_and(|version| version >= PACKS)
}

/// The version of this machine's glibc; `getconf` says `glibc 2.36`.
fn glibc_version() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = String::from_utf8(output.ok()?.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
