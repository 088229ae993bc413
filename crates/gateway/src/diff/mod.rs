//! Before the request line: what a change of the configuration would change, told without making it.
//!
//! [`diff`] builds both configurations offline, the second on top of the first as a gateway that serves would,
//! so that what it says of services kept is what would happen. Nothing is bound, connected to, or restarted.

mod display;
mod fields;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::assemble::Registry;
use portcullis_core::config::{Kind, Loaded, ObjectId, Pointer, Project, Report};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::snapshot::{Snapshot, offline};
use crate::source;

pub use fields::FieldDiff;

/// What would change. Its `Display` is a line for each object and an indented one for each field.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Diff {
    /// The objects that would be other ones, by identity.
    pub objects: Vec<ObjectDiff>,
    /// How many would stay what they are, with their services and state.
    pub kept: usize,
    /// Every fault of the new configuration in its place; empty if there is none. Secrets are hidden.
    pub faults: String,
}

/// What would become of one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectDiff {
    /// Its identity, as `team-a/route/web`.
    pub object: String,
    /// What would become of it.
    pub change: Change,
    /// Which of its fields differ. Secrets are hidden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
}

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Change {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It says the same, and is made anew for something it refers to.
    Affected,
    /// It is gone.
    Removed,
    /// It would be refused, and what there was before would stay.
    Refused,
}

impl Diff {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Whether anything of the new configuration would be refused.
    pub fn is_refused(&self) -> bool {
        !self.faults.is_empty()
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a difference is plain data")
    }
}

/// Says what would change from `old` to `new`.
///
/// Fields are told apart where there are documents, as with files; of configurations made by code only which
/// objects change. Files named by `{file: path}` are read now for both.
pub fn diff(registry: &Registry, old: &Loaded, new: &Loaded) -> Diff {
    let (before, _) = offline::build(registry, old, offline::nowhere(), &Snapshot::default());
    let (after, report) = offline::build(registry, new, offline::nowhere(), &before);
    let (olds, news) = (objects(old), objects(new));
    let mut found = Diff {
        objects: Vec::new(),
        kept: 0,
        faults: faults(&report, new),
    };
    let ids: BTreeSet<_> = olds.keys().chain(news.keys()).collect();
    for id in ids {
        let (old, new) = (olds.get(id), news.get(id));
        let refused = is_refused(id, new.is_some(), &report);
        let (change, fields) = match (old, new) {
            _ if refused => (Some(Change::Refused), Vec::new()),
            (None, _) => (Some(Change::Added), Vec::new()),
            (_, None) => (Some(Change::Removed), Vec::new()),
            (Some(old), Some(new)) => {
                let fields = fields::compare(old, new);
                let kept = after.keeps(id, &before);
                let change = match (fields.is_empty(), kept) {
                    (false, _) => Some(Change::Changed),
                    (true, false) => Some(Change::Affected),
                    (true, true) => None,
                };
                (change, fields)
            }
        };
        match change {
            None => found.kept += 1,
            Some(change) => found.objects.push(ObjectDiff {
                object: id.to_string(),
                change,
                fields,
            }),
        }
    }
    found
}

/// The errors only: a warning refuses nothing.
fn faults(report: &Report, loaded: &Loaded) -> String {
    if report.is_ok() {
        return String::new();
    }
    source::render_report(report, loaded)
}

/// Whether an object is refused, or may be part of what could not be read.
fn is_refused(id: &ObjectId, is_there: bool, report: &Report) -> bool {
    let wrong = |id: &ObjectId| report.of(id).is_some_and(|verdict| !verdict.is_ok());
    let project = ObjectId::new(id.project.clone(), Kind::Project, id.project.clone());
    wrong(id) || (!is_there && wrong(&project))
}

/// Every object by identity, as the document says it; what is set once stands with the project.
fn objects(loaded: &Loaded) -> BTreeMap<ObjectId, Value> {
    let mut objects = BTreeMap::new();
    for project in &loaded.projects {
        let config = &project.config;
        let id = |kind, name: &str| config.id(kind, name);
        for one in &config.listeners {
            objects.insert(id(Kind::Listener, &one.name), said(project, &one.at));
        }
        for one in &config.routes {
            objects.insert(id(Kind::Route, &one.identity()), said(project, &one.at));
        }
        for one in &config.backends {
            objects.insert(id(Kind::Backend, &one.name), said(project, &one.at));
        }
        let once = ["admin", "accessLog", "shutdown"];
        let once = once.into_iter().filter_map(|key| {
            let value = project.document.get(key)?;
            Some((key.to_owned(), value.clone()))
        });
        let once: Map<_, _> = once.collect();
        objects.insert(id(Kind::Project, &config.project), once.into());
    }
    objects
}

fn said(project: &Project, at: &Pointer) -> Value {
    let value = project.document.pointer(at.as_str());
    value.filter(|_| !at.is_root()).cloned().unwrap_or_default()
}
