//! Before the request line: whether the files a source has read are still what they were.
//!
//! The system's notifications only say when to look: they are lost on network mounts, and when a watched
//! directory itself is replaced. So every file is also looked at every other second, which costs one `stat`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, Event, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use portcullis_core::config::{self, BackendRef, Loaded, PolicyEntry, Project};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::folder;
use super::mark::{Mark, names};

/// How often files are looked at unasked.
const OFTEN: Duration = Duration::from_secs(2);
/// What changes within this time of each other is one change.
const QUIET: Duration = Duration::from_millis(200);
/// A change is not put off longer than this, however much else changes.
const MOST: Duration = Duration::from_secs(2);

/// The files a source has read. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// What was read last, and what it was then.
    marks: Mutex<BTreeMap<PathBuf, Mark>>,
    notified: Arc<Notified>,
    /// Whether the marks are of a later reading than what the system was asked about.
    stale: AtomicBool,
    watcher: Mutex<Option<RecommendedWatcher>>,
}

/// What the system's notifications come to.
#[derive(Default)]
struct Notified {
    /// The names that matter, and the directories whose configuration files do.
    names: Mutex<BTreeSet<PathBuf>>,
    folders: Mutex<BTreeSet<PathBuf>>,
    /// Whether something was written since the last reading began.
    written: AtomicBool,
    wake: Notify,
}

/// One reading of everything, under way. What it notes replaces what the one before noted.
pub(super) struct Reading<'a> {
    watch: &'a Watch,
    marks: BTreeMap<PathBuf, Mark>,
}

impl Watch {
    /// Begins a reading.
    pub(super) fn reading(&self) -> Reading<'_> {
        self.0.notified.written.store(false, Ordering::Release);
        Reading {
            watch: self,
            marks: BTreeMap::new(),
        }
    }

    /// Waits until something that was read may be another now, and nothing has changed for a moment.
    pub(super) async fn changed(&self) {
        loop {
            if self.0.stale.swap(false, Ordering::AcqRel) {
                self.look(Self::arm).await;
            }
            if self.look(Self::differs).await {
                break;
            }
            let wake = self.0.notified.wake.notified();
            if self.0.marks.lock().is_empty() {
                wake.await;
            } else {
                // Late is as good as notified: either way it is looked at.
                let _ = tokio::time::timeout(OFTEN, wake).await;
            }
        }
        let until = Instant::now() + MOST;
        loop {
            let before = self.look(Self::now).await;
            let wake = self.0.notified.wake.notified();
            let quiet = tokio::time::timeout(QUIET, wake).await.is_err();
            let over = Instant::now() >= until;
            if over || (quiet && before == self.look(Self::now).await) {
                return;
            }
        }
    }

    /// Runs what asks the file system, where it may wait.
    async fn look<T: Send + 'static>(&self, look: fn(&Self) -> T) -> T {
        let watch = self.clone();
        let looked = tokio::task::spawn_blocking(move || look(&watch)).await;
        looked.expect("looking at files does not panic, and runs until the program ends")
    }

    fn differs(&self) -> bool {
        let now = self.now();
        self.0.notified.written.load(Ordering::Acquire) || *self.0.marks.lock() != now
    }

    fn now(&self) -> BTreeMap<PathBuf, Mark> {
        let paths: Vec<_> = self.0.marks.lock().keys().cloned().collect();
        let mark = |path: PathBuf| {
            let mark = Mark::of(&path);
            (path, mark)
        };
        paths.into_iter().map(mark).collect()
    }

    /// Asks the system for notifications, anew each time: a directory may be another one by now. Without
    /// them looking has to do.
    fn arm(&self) {
        let (mut all, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for (path, mark) in &*self.0.marks.lock() {
            if matches!(mark, Mark::Folder(_)) {
                folders.insert(path.clone());
            }
            all.extend(names(path));
        }
        let parents = all.iter().filter_map(|name| name.parent());
        let watched: BTreeSet<_> = parents
            .chain(folders.iter().map(PathBuf::as_path))
            .collect();
        let notified = self.0.notified.clone();
        let handler = move |event: notify::Result<Event>| notified.hear(event.as_ref().ok());
        let watcher = notify::recommended_watcher(handler);
        let mut watcher = watcher.inspect_err(|error| {
            tracing::debug!(%error, "no notifications of changed files");
        });
        if let Ok(watcher) = &mut watcher {
            for folder in watched {
                // One that is not there is looked for.
                let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
            }
        }
        *self.0.notified.names.lock() = all.clone();
        *self.0.notified.folders.lock() = folders;
        *self.0.watcher.lock() = watcher.ok();
    }
}

impl Notified {
    /// Takes a notification; none stands for those that were lost.
    fn hear(&self, event: Option<&Event>) {
        let matters = match event {
            None => true,
            Some(event) => {
                let read = matches!(event.kind, EventKind::Access(kind)
                    if kind != AccessKind::Close(AccessMode::Write));
                !read && (event.need_rescan() || event.paths.iter().any(|path| self.is_ours(path)))
            }
        };
        if matters {
            self.written.store(true, Ordering::Release);
            self.wake.notify_one();
        }
    }

    fn is_ours(&self, path: &Path) -> bool {
        let inside = path
            .parent()
            .is_some_and(|p| self.folders.lock().contains(p));
        (inside && folder::is_named_so(path)) || self.names.lock().contains(path)
    }
}

impl Reading<'_> {
    /// Notes what a path is now. To be called before it is read: what changes in between is noticed then.
    pub(super) fn note(&mut self, path: &Path) {
        // Notifications name absolute paths; one that cannot be made so is only looked at.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let mark = Mark::of(&path);
        self.marks.insert(path, mark);
    }

    /// Notes the files a configuration names.
    pub(super) fn note_named(&mut self, loaded: &Loaded) {
        for project in &loaded.projects {
            for value in values(project) {
                for path in config::files(value) {
                    self.note(path);
                }
            }
        }
    }

    /// Ends the reading: from now on it is these files that are watched.
    pub(super) fn done(self) {
        let shared = &self.watch.0;
        *shared.marks.lock() = self.marks;
        shared.stale.store(true, Ordering::Release);
        shared.notified.wake.notify_one();
    }
}

/// Everything in a project that may name a file.
fn values(project: &Project) -> Vec<&Value> {
    let config = &project.config;
    let mut values = vec![&project.document];
    let inline = config
        .routes
        .iter()
        .filter_map(|route| match &route.backend {
            BackendRef::Inline(backend) => Some(&**backend),
            BackendRef::Named { .. } => None,
        });
    for backend in config.backends.iter().chain(inline) {
        values.push(&backend.body);
        values.extend(bodies_of(&backend.policies));
    }
    for listener in &config.listeners {
        values.extend(bodies_of(&listener.policies));
    }
    for route in &config.routes {
        values.extend(bodies_of(&route.policies));
    }
    values
}

fn bodies_of(entries: &[PolicyEntry]) -> impl Iterator<Item = &Value> {
    entries.iter().map(|entry| &entry.body)
}

#[cfg(test)]
mod tests;
