//! From one configuration to the next while calls are under way: build beside, bind, swap.

use std::sync::Arc;

use portcullis_core::config::{
    self, Config, ConfigError, Loaded, ObjectId, Pointer, Report, SourceMap, Unread,
};

use super::listening::{Listening, Prepared, project};
use super::{Gateway, builder};
use crate::client;
use crate::snapshot::{Builder, Refusal, Snapshot};
use crate::status::{Attempt, ReloadResult, Status};
use crate::telemetry::AccessLog;

/// The configuration was refused as a whole; the one before it serves on.
#[derive(Debug, thiserror::Error)]
#[error("the configuration was refused:\n{}", .0.last.findings)]
pub struct ReloadError(
    /// What serves on, and what was wrong.
    pub Arc<Status>,
);

/// What a build came to.
type Built = Result<(Snapshot, Report), Refusal>;

/// The log that takes the other's place, where it does.
type NewLog = Option<(Option<config::AccessLog>, Option<AccessLog>)>;

impl Gateway {
    /// Loads the configuration anew and serves it from the next call on; calls under way finish on the one
    /// they began with. What did not change keeps its services, connections and state.
    ///
    /// Listeners that are new or moved are bound before the change and those that are gone end after it;
    /// none of the others is touched. Where an error takes down only a part, that part stays as it was, and
    /// [`Status::last`] tells. Reloads run one after another; a dropped one has changed nothing.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be read, or is refused as a whole. Then the one before serves on.
    pub async fn reload(&self) -> Result<Arc<Status>, ReloadError> {
        let _turn = self.0.turn.lock().await;
        let loaded = self.0.source.load().await;
        let loaded = loaded.map(builder::embed).unwrap_or_else(unreadable);
        let (loaded, built) = self.build_beside(loaded, Vec::new()).await;
        let listening = self.0.listening.lock().upgrade();
        let (mut prepared, mut log) = (Prepared::default(), None);
        let mut faults = Vec::new();
        if let Ok((snapshot, _)) = &built {
            if let Some(listening) = &listening {
                (prepared, _) = listening.prepare(snapshot).await;
                faults.append(&mut prepared.faults);
            }
            match self.new_log(snapshot) {
                Ok(opened) => log = opened,
                Err(fault) => faults.push(*fault),
            }
        }
        let (loaded, built) = if faults.is_empty() {
            (loaded, built)
        } else {
            self.build_beside(loaded, faults).await
        };
        self.settle(&loaded, built, listening.as_deref(), prepared, log)
    }

    /// Follows the source: reloads each time it says that something changed, for as long as it is polled.
    ///
    /// A gateway that [runs](Self::run) does so by itself; this is for programs that call its services.
    pub async fn follow(&self) {
        loop {
            self.0.source.changed().await;
            // What came of it is logged, counted and kept as the status.
            let _ = self.reload().await;
        }
    }

    /// Opens the file of the access log anew, as after it was moved away to rotate it.
    ///
    /// # Errors
    ///
    /// When it cannot be opened. Then the log goes on where it went.
    pub fn reopen_access_log(&self) -> std::io::Result<()> {
        let current = self.0.log.lock();
        if let Some(config) = &*current {
            self.recorder().set_access_log(AccessLog::open(config)?);
        }
        Ok(())
    }

    /// Builds on a thread where it may take its time.
    async fn build_beside(
        &self,
        loaded: Loaded,
        faults: Vec<(ObjectId, ConfigError)>,
    ) -> (Loaded, Built) {
        let gateway = self.clone();
        let build = move || {
            let built = gateway.build(&loaded, faults);
            (loaded, built)
        };
        tokio::task::spawn_blocking(build)
            .await
            .unwrap_or_else(|_| {
                let mut report = Report::new();
                let what = ConfigError::new(Pointer::root(), "building it failed with a panic");
                report.refuse(project(Config::DEFAULT_PROJECT), what);
                (Loaded::default(), Err(Refusal { report }))
            })
    }

    fn build(&self, loaded: &Loaded, faults: Vec<(ObjectId, ConfigError)>) -> Built {
        let parts = &self.0;
        let previous = parts.snapshot.load_full();
        Builder::new(&parts.registry, client::service(parts.client.clone()))
            .transports(parts.client.transports().clone())
            .refuse_by(parts.refuse_by)
            .faults(faults)
            .build(loaded, &previous)
    }

    /// The access log `snapshot` wants, opened, if it is another one than now.
    fn new_log(&self, snapshot: &Snapshot) -> Result<NewLog, Box<(ObjectId, ConfigError)>> {
        let asked = snapshot.settings().access_log();
        let wanted = asked.as_ref().map(|(_, log)| (*log).clone());
        let wanted = wanted.or_else(|| self.0.default_log.clone());
        if *self.0.log.lock() == wanted {
            return Ok(None);
        }
        let opened = match &wanted {
            Some(log) => AccessLog::open(log),
            None => Ok(None),
        };
        let opened = opened.map_err(|e| {
            let owner = asked.map_or_else(|| project(Config::DEFAULT_PROJECT), |(id, _)| id);
            let at = Pointer::root().key("accessLog").key("path");
            let what = format!("cannot open the access log: {}", e.kind());
            Box::new((owner, ConfigError::new(at, what)))
        })?;
        Ok(Some((wanted, opened)))
    }

    /// Swaps, or leaves everything as it was, and tells.
    fn settle(
        &self,
        loaded: &Loaded,
        built: Built,
        listening: Option<&Listening>,
        prepared: Prepared,
        log: NewLog,
    ) -> Result<Arc<Status>, ReloadError> {
        let before = self.status();
        let status = match built {
            Ok((snapshot, report)) => {
                let snapshot = Arc::new(snapshot);
                self.0.snapshot.store(snapshot.clone());
                if let Some(listening) = listening {
                    listening.apply(prepared, &snapshot);
                }
                self.recorder().set_prices(snapshot.settings().prices());
                if let Some((config, log)) = log {
                    *self.0.log.lock() = config;
                    self.recorder().set_access_log(log);
                }
                let attempt = Attempt::new(loaded, report, false);
                Status::serving(&snapshot, Some(&before), attempt)
            }
            Err(refusal) => before.still(Attempt::new(loaded, refusal.report, true)),
        };
        let status = Arc::new(status);
        self.0.status.store(status.clone());
        self.0.source.report(&status.last.report);
        status.last.log();
        let metrics = self.recorder().metrics().config();
        metrics.reloaded(status.last.result.word());
        if status.last.result == ReloadResult::Refused {
            return Err(ReloadError(status));
        }
        metrics.serves(status.generation, &status.hash);
        Ok(status)
    }
}

/// A source that gave nothing, as a configuration of which nothing could be read.
fn unreadable(error: ConfigError) -> Loaded {
    let mut loaded = Loaded::default();
    let name = Config::DEFAULT_PROJECT;
    loaded
        .unread
        .push(Unread::new(name, error, SourceMap::new()));
    loaded
}
