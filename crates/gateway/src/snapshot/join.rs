//! The projects of a realm side by side: what they share, claim twice, or keep of the last good build.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use portcullis_core::config::{
    Address, Backend, ConfigError, Kind, Listener, Loaded, ObjectId, Report, Route as WantedRoute,
    nearest,
};

use super::services::Made;
use super::{Route, Snapshot};
use crate::listener::check_shared;

/// Takes what the source could not read into the report.
pub(super) fn note_unread(loaded: &Loaded, report: &mut Report) {
    for project in &loaded.projects {
        for refused in &project.refused {
            report.refuse(refused.object.clone(), refused.error.clone());
        }
    }
    for unread in &loaded.unread {
        let id = ObjectId::new(unread.name.as_str(), Kind::Project, unread.name.as_str());
        report.refuse(id, unread.error.clone());
    }
}

/// Every listener by identity. Of two that claim one address the one that has it keeps it, else the one
/// whose project comes first by name.
pub(super) fn listeners(
    loaded: &Loaded,
    previous: &Snapshot,
    report: &mut Report,
) -> BTreeMap<ObjectId, Listener> {
    let mut claims = Vec::new();
    for project in &loaded.projects {
        for listener in &project.config.listeners {
            let id = project.config.id(Kind::Listener, &listener.name);
            report.seen(id.clone());
            let last = previous.listeners.get(&id);
            let new = last.is_none_or(|last| last.address != listener.address);
            claims.push((new, id, listener));
        }
    }
    claims.sort_by_key(|(new, ..)| *new);
    let mut owners: HashMap<&Address, Vec<(ObjectId, &Listener)>> = HashMap::new();
    let mut listeners = BTreeMap::new();
    for (_, id, listener) in claims {
        if listener.address.is_definite() {
            let sharing = owners.entry(&listener.address).or_default();
            if let Err(error) = may_join(&id, listener, sharing) {
                report.refuse(id, error);
                continue;
            }
            sharing.push((id.clone(), listener));
        }
        listeners.insert(id, listener.clone());
    }
    listeners
}

/// Whether a listener may have the address of these, which have it already: only of one project, and for
/// different hosts.
fn may_join(
    id: &ObjectId,
    listener: &Listener,
    sharing: &[(ObjectId, &Listener)],
) -> Result<(), ConfigError> {
    let foreign = |(owner, _): &&(ObjectId, &Listener)| owner.project != id.project;
    if let Some((owner, _)) = sharing.iter().find(foreign) {
        return Err(taken(listener, owner));
    }
    let mut all: Vec<_> = sharing.iter().map(|(_, other)| *other).collect();
    all.push(listener);
    check_shared(&all)
}

fn taken(listener: &Listener, owner: &ObjectId) -> ConfigError {
    let what = format!("the address {} belongs to {owner}", listener.address);
    let hint = "let that listener have `export: true` and name it in `listeners` of the routes";
    ConfigError::new(listener.at.key("address"), what).hint(hint)
}

/// Every backend by identity.
pub(super) fn backends<'a>(
    loaded: &'a Loaded,
    report: &mut Report,
) -> BTreeMap<ObjectId, &'a Backend> {
    let mut backends = BTreeMap::new();
    for project in &loaded.projects {
        for backend in &project.config.backends {
            let id = project.config.id(Kind::Backend, &backend.name);
            report.seen(id.clone());
            backends.insert(id, backend);
        }
    }
    backends
}

/// The listeners a route is reached through: those it names, or all of its project.
///
/// # Errors
///
/// When it names one that is not there, or of another project that does not export it.
pub(super) fn listeners_of<'l>(
    id: &ObjectId,
    route: &WantedRoute,
    listeners: &'l BTreeMap<ObjectId, Listener>,
) -> Result<Vec<&'l ObjectId>, ConfigError> {
    if route.listeners.is_empty() {
        return Ok(listeners
            .keys()
            .filter(|l| l.project == id.project)
            .collect());
    }
    let mut found = Vec::with_capacity(route.listeners.len());
    for (index, name) in route.listeners.iter().enumerate() {
        let (project, bare) = name.split_once('/').unwrap_or((&id.project, name));
        let wanted = ObjectId::new(project, Kind::Listener, bare);
        let foreign = wanted.project != id.project;
        let listener = listeners
            .get_key_value(&wanted)
            .filter(|(_, l)| !foreign || l.export);
        found.push(listener.map(|(id, _)| id).ok_or_else(|| {
            let at = route.at.key("listeners").index(index);
            let unknown = ConfigError::new(at, format!("there is no listener `{name}`"));
            let ours = listeners
                .keys()
                .filter(|l| l.project == id.project)
                .map(|l| &*l.name);
            match nearest(name, ours) {
                _ if foreign => {
                    unknown.hint("a listener of another project must have `export: true`")
                }
                Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                None => unknown,
            }
        })?);
    }
    Ok(found)
}

/// Whose absence from a configuration does not mean that somebody removed it.
pub(super) struct Unsure<'a>(pub(super) &'a Loaded);

impl Unsure<'_> {
    /// Whether this object may stand in what could not be read: a document, something of its project
    /// outside of objects, one of its kind without a readable name, or itself.
    pub(super) fn may_hold(&self, id: &ObjectId) -> bool {
        let refused = self.0.projects.iter().flat_map(|project| &project.refused);
        !self.0.unread.is_empty()
            || refused.map(|one| &one.object).any(|one| {
                let nameless = one.kind == id.kind && one.name.starts_with('/');
                let whole = one.kind == Kind::Project;
                one == id || (one.project == id.project && (nameless || whole))
            })
    }
}

/// Keeps listeners of the last good build that `keep` wants, where nobody else has their address now.
pub(super) fn keep_listeners(
    previous: &Snapshot,
    listeners: &mut BTreeMap<ObjectId, Listener>,
    keep: impl Fn(&ObjectId) -> bool,
) {
    for (id, last) in previous.listeners.iter().filter(|(id, _)| keep(id)) {
        let others = listeners.iter().filter(|(other, _)| *other != id);
        let there = others.filter(|(_, other)| other.address == last.address);
        let sharing: Vec<_> = there.map(|(id, other)| (id.clone(), other)).collect();
        if !last.address.is_definite() || may_join(id, last, &sharing).is_ok() {
            listeners.insert(id.clone(), last.clone());
        }
    }
}

/// Keeps the listeners of the last good build that are missing without anybody having removed them.
pub(super) fn keep_missing_listeners(
    previous: &Snapshot,
    unsure: &Unsure<'_>,
    listeners: &mut BTreeMap<ObjectId, Listener>,
) {
    let there: BTreeSet<_> = listeners.keys().cloned().collect();
    keep_listeners(previous, listeners, |id| {
        !there.contains(id) && unsure.may_hold(id)
    });
}

/// Keeps the routes of the last good build that are missing without anybody having removed them. Projects
/// that are `down` keep theirs as they were, and get no new ones.
pub(super) fn keep_routes(
    previous: &Snapshot,
    down: &BTreeSet<Arc<str>>,
    unsure: &Unsure<'_>,
    routes: &mut BTreeMap<ObjectId, (usize, Arc<Route>)>,
) {
    let had_build: BTreeSet<_> = previous.routes.keys().map(|id| &id.project).collect();
    routes.retain(|id, _| {
        let from_last = down.contains(&id.project) && had_build.contains(&id.project);
        !from_last || previous.routes.contains_key(id)
    });
    for (id, route) in &previous.routes {
        if down.contains(&id.project) || unsure.may_hold(id) {
            routes
                .entry(id.clone())
                .or_insert_with(|| (usize::MAX, route.clone()));
        }
    }
}

/// Whether a backend was refused, or the route it is written in.
pub(super) fn is_refused(backend: &ObjectId, report: &Report) -> bool {
    let route = backend.name.strip_prefix("route:");
    let route = route.map(|name| ObjectId::new(backend.project.clone(), Kind::Route, name));
    let verdict = report.of(route.as_ref().unwrap_or(backend));
    verdict.is_some_and(|verdict| !verdict.is_ok())
}

/// Keeps the backends of the last good build whose fault, or whose project's, is all that took them away:
/// once it is mended they go on as they were.
pub(super) fn keep_backends(
    previous: &Snapshot,
    backends: &mut BTreeMap<ObjectId, Arc<Made>>,
    is_down: impl Fn(&ObjectId) -> bool,
    is_missed: impl Fn(&ObjectId) -> bool,
) {
    for (id, last) in &previous.backends {
        if is_down(id) {
            backends.insert(id.clone(), last.clone());
        } else if is_missed(id) {
            backends.entry(id.clone()).or_insert_with(|| last.clone());
        }
    }
}
