//! Before the request line: configurations from YAML and JSON files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fmt, fs};

use futures_util::future::BoxFuture;
use portcullis_core::config::{ConfigError, ConfigSource, Loaded, Pointer};

use crate::source::watch::{Reading, Watch};
use crate::source::{folder, join};

/// More text than this was hardly written by a person.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Files of a directory beyond this number are refused rather than left out.
const MAX_FILES: usize = 1_000;

/// One YAML or JSON file, or a directory of them, which is a realm of projects.
///
/// Of a directory it reads the files directly inside that end in `.yaml`, `.yml` or `.json` and do not
/// begin with a dot, in the order of their names; files that name one project, or none, are joined. A file has at
/// most 4 MiB, a directory 1000 files. `${NAME}` in strings expands to environment variables.
///
/// It notices when one of these files changes, comes or goes, and when a file does that the configuration names
/// by `{file: path}`: a secret or a certificate. What changes within 200 ms of each other is one change, which
/// is put off for 2 s at most. Replacing a file by renaming another over it is noticed too, as is the
/// exchange of a link on the way to it, which is how Kubernetes changes a mounted object.
///
/// Clones share what they look variables up with, and watch each for itself.
pub struct FileSource {
    path: PathBuf,
    variables: Arc<Variables>,
    watch: Watch,
}

impl Clone for FileSource {
    fn clone(&self) -> Self {
        Self {
            path: self.path.clone(),
            variables: self.variables.clone(),
            watch: Watch::default(),
        }
    }
}

/// Looks up what a variable is.
type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

impl FileSource {
    /// Reads `path`, a file or a directory, each time it is loaded.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            variables: Arc::new(|name| env::var(name).ok()),
            watch: Watch::default(),
        }
    }

    /// Takes the values for `${NAME}` from `variables` instead of the environment.
    #[must_use]
    pub fn variables(
        mut self,
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.variables = Arc::new(variables);
        self
    }

    /// The file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads everything there is now, blocking the thread meanwhile.
    ///
    /// # Errors
    ///
    /// If there is nothing at the path, or nothing in the directory. A file that cannot be read is
    /// among those [unread](Loaded::unread), and one object that cannot is among its project's refused.
    pub fn read(&self) -> Result<Loaded, ConfigError> {
        read(&self.path, &*self.variables, &self.watch)
    }
}

fn read(
    path: &Path,
    variables: &dyn Fn(&str) -> Option<String>,
    watch: &Watch,
) -> Result<Loaded, ConfigError> {
    let mut reading = watch.reading();
    let loaded = files(path, &mut reading).map(|files| {
        let texts = files.into_iter().map(|path| {
            reading.note(&path);
            (path.display().to_string(), text(&path))
        });
        join::load(texts, variables)
    });
    if let Ok(loaded) = &loaded {
        reading.note_named(loaded);
    }
    reading.done();
    loaded.map_err(|what| {
        let what = format!("cannot read `{}`: {what}", path.display());
        ConfigError::new(Pointer::root(), what)
    })
}

fn files(path: &Path, reading: &mut Reading<'_>) -> Result<Vec<PathBuf>, String> {
    reading.note(path);
    let words = |error: io::Error| error.kind().to_string();
    if !fs::metadata(path).map_err(words)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let files = folder::list(path).map_err(words)?;
    match files.len() {
        0 => Err("no `.yaml`, `.yml` or `.json` file in it".into()),
        1..=MAX_FILES => Ok(files),
        n => Err(format!("{n} files are more than {MAX_FILES}")),
    }
}

impl ConfigSource for FileSource {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, ConfigError>> {
        let (path, variables) = (self.path.clone(), self.variables.clone());
        let watch = self.watch.clone();
        Box::pin(async move {
            let read = move || read(&path, &*variables, &watch);
            let read = tokio::task::spawn_blocking(read).await;
            read.unwrap_or_else(|_| {
                Err(ConfigError::new(Pointer::root(), "reading was interrupted"))
            })
        })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.watch.changed())
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn text(path: &Path) -> Result<String, ConfigError> {
    let wrong = |what: String| ConfigError::new(Pointer::root(), what);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    let n = read.map_err(|error| wrong(format!("cannot read the file: {}", error.kind())))?;
    if n as u64 > MAX_FILE {
        return Err(wrong("the file is larger than 4 MiB".into()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..before]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        wrong(format!("the file is not UTF-8 on line {line}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unread(bytes: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        FileSource::new(file.path()).read().unwrap().unread[0]
            .error
            .to_string()
    }

    #[test]
    fn a_directory_is_read_by_name_without_hidden_and_other_files() {
        let dir = tempfile::tempdir().unwrap();
        for (name, project) in [
            ("b.yaml", "b"),
            ("a.json", "a"),
            (".c.yaml", "c"),
            ("d.txt", "d"),
        ] {
            let text = format!("{{\"schemaVersion\": 1, \"project\": \"{project}\"}}");
            fs::write(dir.path().join(name), text).unwrap();
        }
        fs::create_dir(dir.path().join("e.yaml")).unwrap();
        let loaded = FileSource::new(dir.path()).read().unwrap();
        let projects: Vec<_> = loaded
            .projects
            .iter()
            .map(|one| one.config.project.as_str())
            .collect();
        assert_eq!(projects, ["a", "b"]);
    }

    #[test]
    fn a_path_with_nothing_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let empty = FileSource::new(dir.path()).read().unwrap_err();
        assert!(
            empty
                .what
                .ends_with("no `.yaml`, `.yml` or `.json` file in it"),
            "{empty}"
        );
        let missing = FileSource::new(dir.path().join("x")).read().unwrap_err();
        assert!(missing.what.ends_with("entity not found"), "{missing}");
    }

    #[test]
    fn a_file_that_is_no_text_of_reasonable_size_is_refused() {
        assert_eq!(unread(b"a: 1\n\xff"), "the file is not UTF-8 on line 2");
        assert_eq!(
            unread(&vec![b'#'; 4 * 1024 * 1024 + 1]),
            "the file is larger than 4 MiB"
        );
        assert_eq!(unread(b""), "the file is empty");
    }

    #[tokio::test]
    async fn variables_come_from_the_given_function() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "schemaVersion: 1\nproject: ${P}\n").unwrap();
        let source = FileSource::new(file.path()).variables(|name| Some(name.to_lowercase()));
        assert_eq!(source.load().await.unwrap().projects[0].config.project, "p");
    }
}
