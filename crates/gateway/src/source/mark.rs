//! Before the request line: what tells a file from what it was, without reading it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder;

/// More links than this lead nowhere.
const MAX_LINKS: usize = 40;

/// What a file or directory was when it was looked at. It changes when the content does, or what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing is there, or nothing that may be read.
    Nothing,
    /// A file.
    File(Stamp),
    /// A directory, by the configuration files in it.
    Folder(Vec<PathBuf>),
}

/// What the system says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

impl Mark {
    pub(super) fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Err(_) => Self::Nothing,
            Ok(found) if found.is_dir() => folder::list(path).map_or(Self::Nothing, Self::Folder),
            Ok(found) => Self::File(Stamp {
                length: found.len(),
                modified: found.modified().ok(),
                identity: identity(&found),
            }),
        }
    }
}

/// Another file under the name, or another change of the same within one tick of its clock of changes.
#[cfg(unix)]
fn identity(found: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

/// Every name whose change may change what `path` leads to: its own, and those of the links on its way.
pub(super) fn names(path: &Path) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    let mut ahead = vec![path.to_path_buf()];
    for _ in 0..MAX_LINKS {
        let Some(path) = ahead.pop() else {
            break;
        };
        let mut so_far = PathBuf::new();
        for step in path.components() {
            so_far.push(step);
            let Ok(target) = fs::read_link(&so_far) else {
                continue;
            };
            names.insert(so_far.clone());
            let rest = path.strip_prefix(&so_far).unwrap_or(Path::new(""));
            let folder = so_far.parent().unwrap_or(Path::new(""));
            ahead.push(folder.join(target).join(rest));
            break;
        }
        names.insert(path);
    }
    names
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_behind_links_is_known_by_each_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("..one")).unwrap();
        fs::write(at("..one/a.yaml"), "a").unwrap();
        symlink("..one", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let names = names(&at("a.yaml"));
        for name in ["a.yaml", "..data", "..one/a.yaml"] {
            assert!(names.contains(&at(name)), "{name}: {names:?}");
        }
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(names(&dir.path().join("a")).len() < 50);
        assert_eq!(Mark::of(&dir.path().join("a")), Mark::Nothing);
    }
}
