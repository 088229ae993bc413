//! A Python that has the SDKs: one that is given, or one made here.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Names a Python that has the packages of `tests/sdk/requirements.txt`.
const GIVEN: &str = "PORTCULLIS_SDK_PYTHON";
/// Picks the cases whose names contain it.
const CASES: &str = "PORTCULLIS_SDK_CASES";

/// The Python to use.
///
/// # Errors
///
/// Why there is none: no Python here, or no way to the package index.
pub(crate) async fn find() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os(GIVEN) {
        return Ok(given.into());
    }
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("sdk-venv");
    let (python, installed) = (venv.join("bin/python"), venv.join("requirements.txt"));
    let list = scripts().join("requirements.txt");
    let wanted = std::fs::read(&list).map_err(|e| format!("no list of packages: {e}"))?;
    if std::fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    succeed(&mut make).await?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]);
    succeed(install.arg(list)).await?;
    std::fs::write(&installed, wanted).map_err(|e| format!("no virtual environment: {e}"))?;
    Ok(python)
}

/// The script of that name, ready to be told what to call. It dies with its handle.
pub(crate) fn script(python: &Path, name: &str) -> Command {
    let mut script = Command::new(python);
    script.arg("-B").arg(scripts().join(name));
    script.args(std::env::var_os(CASES));
    script.env_remove("OPENAI_API_KEY");
    script
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONIOENCODING", "utf-8");
    script
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    script.kill_on_drop(true);
    script
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdk")
}

/// Runs a command to its end.
async fn succeed(command: &mut Command) -> Result<(), String> {
    let name = format!("{:?}", command.as_std());
    let output = command.stdin(Stdio::null()).output().await;
    let output = output.map_err(|e| format!("{name} does not start: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} failed: {why}"))
}
