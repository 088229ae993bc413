//! Before the request line: the configuration files of a directory.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Those directly inside, in the order of their names.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // What it links to is followed, as mounted cluster objects are links.
        if is_named_so(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file of this name is one.
pub(super) fn is_named_so(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path.extension().and_then(|ending| ending.to_str());
    !hidden && matches!(ending, Some("yaml" | "yml" | "json"))
}
