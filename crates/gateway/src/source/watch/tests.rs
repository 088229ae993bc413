//! Real files, changed in every way files are changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_core::config::ConfigSource;
use tempfile::TempDir;

use crate::source::FileSource;

/// How long a change may take to be noticed. Nothing waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

const ONE: &str = "schemaVersion: 1\nproject: one\n";
const TWO: &str = "schemaVersion: 1\nproject: two\n";

/// A directory, and a source of something in it that has been loaded.
async fn loaded(name: &str, files: &[(&str, &str)]) -> (TempDir, FileSource) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let source = FileSource::new(dir.path().join(name));
    source.load().await.unwrap();
    (dir, source)
}

async fn notices(source: &FileSource, what: &str) {
    let changed = tokio::time::timeout(PATIENCE, source.changed()).await;
    assert!(changed.is_ok(), "not noticed: {what}");
    // What it came to is another matter.
    let _ = source.load().await;
}

/// Nothing is noticed for longer than a change takes.
async fn stays_quiet(source: &FileSource, what: &str) {
    let quiet = super::QUIET * 3;
    let changed = tokio::time::timeout(quiet, source.changed()).await;
    assert!(changed.is_err(), "noticed: {what}");
}

async fn projects(source: &FileSource) -> Vec<String> {
    let loaded = source.load().await.unwrap();
    let names = loaded.projects.iter().map(|one| one.config.project.clone());
    names.collect()
}

#[tokio::test]
async fn a_file_written_renamed_over_removed_and_back_is_noticed() {
    let (dir, source) = loaded("a.yaml", &[("a.yaml", ONE)]).await;
    let path = dir.path().join("a.yaml");
    fs::write(&path, TWO).unwrap();
    notices(&source, "written in place").await;
    assert_eq!(projects(&source).await, ["two"]);
    let beside = dir.path().join("a.yaml.tmp");
    fs::write(&beside, ONE).unwrap();
    fs::rename(&beside, &path).unwrap();
    notices(&source, "renamed over").await;
    assert_eq!(projects(&source).await, ["one"]);
    fs::remove_file(&path).unwrap();
    notices(&source, "removed").await;
    fs::write(&path, TWO).unwrap();
    notices(&source, "back").await;
    assert_eq!(projects(&source).await, ["two"]);
    stays_quiet(&source, "nothing").await;
}

#[tokio::test]
async fn what_changed_before_anybody_waited_is_noticed() {
    let (dir, source) = loaded("a.yaml", &[("a.yaml", ONE)]).await;
    {
        // Asked, and dropped before anything happened.
        let _ = tokio::time::timeout(Duration::from_millis(1), source.changed()).await;
    }
    fs::write(dir.path().join("a.yaml"), TWO).unwrap();
    tokio::task::yield_now().await;
    notices(&source, "changed meanwhile").await;
}

#[tokio::test]
async fn in_a_directory_files_come_change_and_go_and_others_do_not_matter() {
    let (dir, source) = loaded("", &[("a.yaml", ONE)]).await;
    fs::write(dir.path().join("notes.txt"), "x").unwrap();
    fs::write(dir.path().join(".a.yaml.swp"), "x").unwrap();
    stays_quiet(&source, "files that are no configuration").await;
    fs::write(dir.path().join("b.yaml"), TWO).unwrap();
    notices(&source, "a further file").await;
    assert_eq!(projects(&source).await, ["one", "two"]);
    fs::write(dir.path().join("b.yaml"), TWO.replace("two", "three")).unwrap();
    notices(&source, "a change of it").await;
    fs::rename(dir.path().join("b.yaml"), dir.path().join("b.off")).unwrap();
    notices(&source, "its end").await;
    assert_eq!(projects(&source).await, ["one"]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_exchange_of_a_link_as_kubernetes_does_it_is_noticed() {
    use std::os::unix::fs::symlink;
    let (dir, source) = {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("..v1")).unwrap();
        fs::write(dir.path().join("..v1/a.yaml"), ONE).unwrap();
        symlink("..v1", dir.path().join("..data")).unwrap();
        symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        let source = FileSource::new(dir.path());
        source.load().await.unwrap();
        (dir, source)
    };
    for (version, text, name) in [("..v2", TWO, "two"), ("..v3", ONE, "one")] {
        fs::create_dir(dir.path().join(version)).unwrap();
        fs::write(dir.path().join(version).join("a.yaml"), text).unwrap();
        symlink(version, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        notices(&source, version).await;
        assert_eq!(projects(&source).await, [name]);
    }
}

#[tokio::test]
async fn a_file_the_configuration_names_is_watched_wherever_it_stands() {
    let secrets = tempfile::tempdir().unwrap();
    let key: PathBuf = secrets.path().join("key");
    fs::write(&key, "sk-1").unwrap();
    let text = format!(
        "{ONE}backends:\n- {{name: b, llm: {{provider: openai, apiKey: {{file: {key:?}}}}}}}\n"
    );
    let (_dir, source) = loaded("a.yaml", &[("a.yaml", &text)]).await;
    fs::write(secrets.path().join("other"), "x").unwrap();
    stays_quiet(&source, "a neighbour").await;
    fs::write(&key, "sk-2").unwrap();
    notices(&source, "the secret").await;
    fs::remove_file(&key).unwrap();
    notices(&source, "its end").await;
    fs::write(&key, "sk-3").unwrap();
    notices(&source, "its return").await;
}

#[tokio::test]
async fn a_directory_removed_and_made_anew_is_noticed() {
    let (dir, source) = loaded("conf/a.yaml", &[("conf/a.yaml", ONE)]).await;
    let conf = dir.path().join("conf");
    fs::remove_dir_all(&conf).unwrap();
    notices(&source, "the end of the directory").await;
    assert!(source.load().await.is_err());
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("a.yaml"), TWO).unwrap();
    notices(&source, "its return").await;
    assert_eq!(projects(&source).await, ["two"]);
    fs::write(conf.join("a.yaml"), ONE).unwrap();
    notices(&source, "a change in the new one").await;
}

#[tokio::test]
async fn a_burst_of_changes_is_one_change() {
    let (dir, source) = loaded("a.yaml", &[("a.yaml", ONE)]).await;
    let path = dir.path().join("a.yaml");
    let writing = tokio::spawn(async move {
        for number in 0..20 {
            write(&path, &format!("{ONE}# {number}\n"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    notices(&source, "the burst").await;
    assert!(writing.is_finished(), "it waits for the end of the burst");
    stays_quiet(&source, "no more of it").await;
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_source_of_nothing_but_a_value_asks_for_nothing() {
    let source = crate::source::ValueSource::text(ONE);
    source.load().await.unwrap();
    let changed = tokio::time::timeout(Duration::from_millis(50), source.changed()).await;
    assert!(changed.is_err());
}
