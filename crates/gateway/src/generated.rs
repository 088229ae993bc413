//! Beside the line: files that are generated and committed, kept true by tests.

use std::path::Path;

/// Compares a file, named from this package's folder, with what it should be; with `UPDATE=1` in the
/// environment it is written instead.
pub(crate) fn check(path: &str, wanted: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        return std::fs::write(&file, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    // A checkout may have other line ends.
    let found = found.replace("\r\n", "\n");
    assert!(
        found == wanted,
        "{path} is stale: write it anew with `UPDATE=1 cargo test -p portcullis`"
    );
}
