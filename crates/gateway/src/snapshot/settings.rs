//! Before the request line: what is set once for the whole gateway, by one of its projects.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_core::config::{
    AccessLog, Admin, Config, ConfigError, Kind, Loaded, ObjectId, Pointer, Prices, Report,
    Shutdown,
};
use portcullis_core::context;

use super::join::Unsure;
use super::{Snapshot, prices};

/// What is set once for the whole gateway.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    admin: Option<Owned<Admin>>,
    access_log: Option<Owned<AccessLog>>,
    shutdown: Option<Owned<Shutdown>>,
    prices: Option<Owned<Prices>>,
    catalog: Option<Arc<dyn context::Prices>>,
}

/// A setting, and the project that sets it.
#[derive(Clone, Debug)]
struct Owned<T> {
    owner: Arc<str>,
    value: T,
}

impl Settings {
    /// The admin listener, and the project that has it.
    pub fn admin(&self) -> Option<(ObjectId, &Admin)> {
        let admin = self.admin.as_ref()?;
        Some((project(&admin.owner), &admin.value))
    }

    /// The log of calls, and the project that has it.
    pub fn access_log(&self) -> Option<(ObjectId, &AccessLog)> {
        let log = self.access_log.as_ref()?;
        Some((project(&log.owner), &log.value))
    }

    /// How the gateway stops.
    pub fn shutdown(&self) -> Shutdown {
        let shutdown = self.shutdown.as_ref();
        shutdown.map_or_else(Shutdown::default, |owned| owned.value.clone())
    }

    /// What models cost.
    pub fn prices(&self) -> Arc<dyn context::Prices> {
        self.catalog.clone().unwrap_or_else(prices::published)
    }

    /// What the projects set. Those that are `down` keep what they set in the last build, and a setting that
    /// was refused leaves that of the last build as it was.
    pub(super) fn read(
        loaded: &Loaded,
        previous: &Snapshot,
        report: &Report,
        down: &BTreeSet<Arc<str>>,
        unsure: &Unsure<'_>,
    ) -> Self {
        let last = &previous.settings;
        let read = Read {
            loaded,
            report,
            down,
            unsure,
        };
        let asked = read.one("prices", |c| c.prices.as_ref(), last.prices.as_ref());
        let catalog = asked.as_ref().map(|owned| prices::load(&owned.value));
        // The file was read when the setting was checked. If it has gone since, what is known stays.
        let catalog = catalog.and_then(|loaded| loaded.ok().or_else(|| last.catalog.clone()));
        Self {
            catalog,
            prices: asked,
            admin: read.one("admin", |c| c.admin.as_ref(), last.admin.as_ref()),
            access_log: read.one(
                "accessLog",
                |c| c.access_log.as_ref(),
                last.access_log.as_ref(),
            ),
            shutdown: read.one("shutdown", |c| c.shutdown.as_ref(), last.shutdown.as_ref()),
        }
    }
}

struct Read<'a> {
    loaded: &'a Loaded,
    report: &'a Report,
    down: &'a BTreeSet<Arc<str>>,
    unsure: &'a Unsure<'a>,
}

impl Read<'_> {
    fn one<T: Clone>(
        &self,
        key: &str,
        get: impl Fn(&Config) -> Option<&T>,
        last: Option<&Owned<T>>,
    ) -> Option<Owned<T>> {
        let configs = self.loaded.projects.iter().map(|project| &project.config);
        let wanted = configs.filter_map(|config| Some((config, get(config)?)));
        let mut good = wanted.filter(|(config, _)| {
            !self.down.contains(&*config.project) && !self.is_refused(&config.project, key)
        });
        let found = good.next().map(|(config, value)| Owned {
            owner: config.project.as_str().into(),
            value: value.clone(),
        });
        found.or_else(|| {
            let kept = |owned: &&Owned<T>| {
                self.down.contains(&owned.owner)
                    || self.is_refused(&owned.owner, key)
                    || self.unsure.may_hold(&project(&owned.owner))
            };
            last.filter(kept).cloned()
        })
    }

    /// Whether something is wrong with this setting of a project.
    fn is_refused(&self, owner: &str, key: &str) -> bool {
        let verdict = self.report.of(&project(owner));
        let mut errors = verdict.into_iter().flat_map(|verdict| &verdict.errors);
        errors.any(|error| error.at.steps().next().is_some_and(|step| step == key))
    }
}

/// Checks what belongs to the whole gateway: one project sets it, and the admin listener is on this machine
/// only, since its pages ask nobody who they are.
pub(super) fn check(loaded: &Loaded, report: &mut Report) {
    once(loaded, report, "admin", |config| config.admin.is_some());
    once(loaded, report, "shutdown", |config| {
        config.shutdown.is_some()
    });
    once(loaded, report, "prices", |config| config.prices.is_some());
    for config in loaded.projects.iter().map(|project| &project.config) {
        if let Some(Err(e)) = config.prices.as_ref().map(prices::load) {
            let id = config.id(Kind::Project, &config.project);
            report.refuse(id, e.under(&Pointer::root().key("prices")));
        }
        let open = config.admin.as_ref();
        if open.is_some_and(|admin| !admin.address.ip().is_loopback()) {
            let at = Pointer::root().key("admin").key("address");
            let what = "the admin pages are for this machine only";
            let hint = "use a loopback address such as 127.0.0.1:9901";
            let id = config.id(Kind::Project, &config.project);
            report.refuse(id, ConfigError::new(at, what).hint(hint));
        }
    }
}

fn once(loaded: &Loaded, report: &mut Report, key: &str, sets: impl Fn(&Config) -> bool) {
    let mut setting = loaded.projects.iter().map(|project| &project.config);
    let Some(owner) = setting.find(|config| sets(config)) else {
        return;
    };
    for config in setting.filter(|config| sets(config)) {
        let thing = match key {
            "admin" => "the admin listener belongs",
            "prices" => "what models cost is up",
            _ => "how the gateway stops is up",
        };
        let what = format!("{thing} to project `{}`", owner.project);
        let error = ConfigError::new(Pointer::root().key(key), what);
        let id = config.id(Kind::Project, &config.project);
        report.refuse(id, error.hint(format!("leave `{key}` to one project")));
    }
}

fn project(name: &str) -> ObjectId {
    ObjectId::new(name, Kind::Project, name)
}
