//! Beside the line: what a gateway serves, and what became of the last attempt to change it.

use portcullis_core::config::{ConfigError, Loaded, ObjectId, Report};
use serde::Serialize;

use crate::snapshot::Snapshot;
use crate::source;

/// What a gateway serves, and what became of the configuration it loaded last.
///
/// Serialised, it is the admin page `/config/report`. It names places, keys and objects, and no values.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Status {
    /// How many configurations have served, this one included: 1 at the start.
    pub generation: u64,
    /// Tells the configuration that serves from others; the same one has the same on every machine.
    pub hash: String,
    /// When it began to serve, as RFC 3339 writes it.
    pub serving_since: String,
    /// What became of what was loaded last.
    pub last: Attempt,
}

/// What became of one configuration.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attempt {
    /// When it was loaded, as RFC 3339 writes it.
    pub at: String,
    /// What became of it.
    pub result: ReloadResult,
    /// Every object it has, by identity, and whether it was refused.
    pub objects: Vec<ObjectStatus>,
    /// The report it is made of.
    #[serde(skip)]
    pub report: Report,
    /// Every error and warning, each shown in its place where the source kept the text; empty if there is
    /// none. Secrets are hidden.
    #[serde(skip)]
    pub findings: String,
}

/// What became of one configuration as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ReloadResult {
    /// It serves.
    Success,
    /// It serves but for the parts that were refused; those are as they were before.
    Partial,
    /// The one before it serves on.
    Refused,
}

/// What became of one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ObjectStatus {
    /// Its identity, as `team-a/route/web`.
    pub object: String,
    /// Whether it was refused.
    pub refused: bool,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// What was hardly meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Fault>,
}

/// One thing wrong.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fault {
    /// The file, where the source kept its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The place in the project, as RFC 6901 writes it.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ReloadResult {
    /// The word for it in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Refused => "refused",
        }
    }
}

impl Status {
    /// A first configuration, or the next one after `before`.
    pub(crate) fn serving(snapshot: &Snapshot, before: Option<&Self>, last: Attempt) -> Self {
        Self {
            generation: before.map_or(1, |before| before.generation + 1),
            hash: snapshot.fingerprint(),
            serving_since: last.at.clone(),
            last,
        }
    }

    /// The same configuration after another one was refused.
    pub(crate) fn still(&self, last: Attempt) -> Self {
        Self {
            last,
            ..self.clone()
        }
    }
}

impl Attempt {
    /// What was loaded, and what `report` says of it. Refused means as a whole.
    pub(crate) fn new(loaded: &Loaded, report: Report, refused: bool) -> Self {
        let result = match (refused, report.is_ok()) {
            (true, _) => ReloadResult::Refused,
            (false, false) => ReloadResult::Partial,
            (false, true) => ReloadResult::Success,
        };
        let fault = |id: &ObjectId, error: &ConfigError| Fault::new(id, error, loaded);
        let objects = report.iter().map(|(id, verdict)| ObjectStatus {
            object: id.to_string(),
            refused: !verdict.is_ok(),
            errors: verdict.errors.iter().map(|e| fault(id, e)).collect(),
            warnings: verdict.warnings.iter().map(|e| fault(id, e)).collect(),
        });
        Self {
            at: jiff::Timestamp::now().to_string(),
            result,
            objects: objects.collect(),
            findings: source::render_report(&report, loaded),
            report,
        }
    }

    /// Says what was refused, one line for each fault.
    pub(crate) fn log(&self) {
        for object in &self.objects {
            for fault in &object.errors {
                let (object, what) = (&*object.object, &*fault.what);
                let (place, hint) = (fault.place(), fault.hint.as_deref());
                tracing::error!(object, place, what, hint, "refused in the configuration");
            }
        }
        match self.result {
            ReloadResult::Success => tracing::info!("the new configuration serves"),
            ReloadResult::Partial => {
                tracing::error!("the new configuration serves but for what was refused");
            }
            ReloadResult::Refused => {
                tracing::error!("the new configuration was refused; the last good one serves on");
            }
        }
    }
}

impl Fault {
    fn new(id: &ObjectId, error: &ConfigError, loaded: &Loaded) -> Self {
        let found = source::locate(id, error, loaded);
        let place = found.as_ref().map(|found| found.line_column());
        Self {
            file: found.map(|found| found.file.to_owned()),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            at: error.at.to_string(),
            what: error.what.to_string(),
            hint: error.hint.as_deref().map(str::to_owned),
        }
    }

    /// File, line and column, or the place in the project.
    fn place(&self) -> String {
        match (&self.file, self.line, self.column) {
            (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            _ => self.at.clone(),
        }
    }
}
