//! The projects of a realm side by side: what they share, claim twice, or keep of the last good build.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_core::config::{
    Backend, ConfigError, Kind, Listener, Loaded, ObjectId, Pointer, Report, Route as WantedRoute,
    nearest,
};

use super::{Route, Snapshot};

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

/// Checks what belongs to the whole realm: one admin listener, and that on this machine only, since its
/// pages ask nobody who they are.
pub(super) fn check_admin(loaded: &Loaded, report: &mut Report) {
    let mut owner: Option<ObjectId> = None;
    for project in &loaded.projects {
        let Some(admin) = &project.config.admin else {
            continue;
        };
        let id = project.config.id(Kind::Project, &project.config.project);
        let at = Pointer::root().key("admin");
        if let Some(owner) = &owner {
            let what = format!("the admin listener belongs to project `{}`", owner.project);
            report.refuse(
                id,
                ConfigError::new(at, what).hint("leave `admin` to one project"),
            );
            continue;
        }
        if !admin.address.ip().is_loopback() {
            let what = "the admin pages are for this machine only";
            let hint = "use a loopback address such as 127.0.0.1:9901";
            report.refuse(
                id.clone(),
                ConfigError::new(at.key("address"), what).hint(hint),
            );
        }
        owner = Some(id);
    }
}

/// Every listener by identity. Of two that claim one address the project that comes first by name keeps it.
pub(super) fn listeners(loaded: &Loaded, report: &mut Report) -> BTreeMap<ObjectId, Listener> {
    let mut claimed: HashMap<SocketAddr, ObjectId> = HashMap::new();
    let mut listeners = BTreeMap::new();
    for project in &loaded.projects {
        for listener in &project.config.listeners {
            let id = project.config.id(Kind::Listener, &listener.name);
            report.seen(id.clone());
            let any_port = listener.address.port() == 0;
            match claimed.get(&listener.address).filter(|_| !any_port) {
                None => {
                    claimed.insert(listener.address, id.clone());
                    listeners.insert(id, listener.clone());
                }
                Some(owner) => {
                    let what = format!("the address {} belongs to {owner}", listener.address);
                    let hint = "let that listener have `export: true` and name it in `listeners` of the routes";
                    report.refuse(
                        id,
                        ConfigError::new(listener.at.key("address"), what).hint(hint),
                    );
                }
            }
        }
    }
    listeners
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

/// Keeps the listeners and routes of the last good build for projects that were refused as a whole; and
/// while a document could not be read (`unread`) those that are missing, since they may stand in it.
pub(super) fn keep_previous(
    previous: &Snapshot,
    down: &BTreeSet<Arc<str>>,
    unread: bool,
    listeners: &mut BTreeMap<ObjectId, Listener>,
    routes: &mut BTreeMap<ObjectId, (usize, Arc<Route>)>,
) {
    for (id, listener) in &previous.listeners {
        if down.contains(&id.project) {
            listeners.insert(id.clone(), listener.clone());
        } else if unread {
            listeners
                .entry(id.clone())
                .or_insert_with(|| listener.clone());
        }
    }
    let had_build: BTreeSet<_> = previous
        .routes
        .keys()
        .map(|id| id.project.clone())
        .collect();
    routes.retain(|id, _| {
        let from_last = down.contains(&id.project) && had_build.contains(&id.project);
        !from_last || previous.routes.contains_key(id)
    });
    for (id, route) in &previous.routes {
        if unread || down.contains(&id.project) {
            routes
                .entry(id.clone())
                .or_insert_with(|| (usize::MAX, route.clone()));
        }
    }
}
