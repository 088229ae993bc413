//! Before the request line: who hands over configurations, and hears what became of them.

use std::fmt;

use futures_core::future::BoxFuture;
use serde_json::Value;

use crate::config::{Config, ConfigError, Refused, Report, SourceMap};

/// Where configurations come from: a file, a cluster, or a value made by code.
///
/// A gateway loads once when it starts, then each time [`changed`](Self::changed) says that there is
/// something new, and each time it is told to.
pub trait ConfigSource: Send + Sync + 'static {
    /// Reads everything there is now.
    ///
    /// # Errors
    ///
    /// If nothing could be read at all. What is wrong in a part of it is told in the [`Loaded`] value.
    fn load(&self) -> BoxFuture<'_, Result<Loaded, ConfigError>>;

    /// Waits until what there is may no longer be what was loaded last. By default it never is.
    ///
    /// A source gathers what belongs together: several changes in quick succession are one. The future may be
    /// dropped and asked for anew at any time, and no change is lost by that. To be ready once too often
    /// does no harm but a load.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Hears what became of what it loaded last. By default it does nothing with it.
    fn report(&self, report: &Report) {
        let _ = report;
    }
}

/// What a source found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Loaded {
    /// The projects, ordered by name; no two have the same.
    pub projects: Vec<Project>,
    /// Documents that could not be read, so that it is not known what they are about. While there are
    /// any, the absence of an object does not mean that somebody removed it.
    pub unread: Vec<Unread>,
}

/// One project as it was found. `Debug` leaves the document out: it may hold secrets.
#[non_exhaustive]
pub struct Project {
    /// The objects that could be read.
    pub config: Config,
    /// Those that could not.
    pub refused: Vec<Refused>,
    /// Where everything stands.
    pub map: SourceMap,
    /// The document itself, its variables expanded; null where there is none, as with a value made by code.
    pub document: Value,
}

impl Project {
    /// A project made by code, or one whose every object could be read.
    #[must_use]
    pub fn new(config: Config, refused: Vec<Refused>, map: SourceMap) -> Self {
        Self {
            config,
            refused,
            map,
            document: Value::Null,
        }
    }

    /// The same, with the document it was read from.
    #[must_use]
    pub fn with_document(mut self, document: Value) -> Self {
        self.document = document;
        self
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project")
            .field("config", &self.config)
            .field("refused", &self.refused)
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}

/// A document that could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unread {
    /// The file's name, or whatever the source calls its documents.
    pub name: String,
    /// Why.
    pub error: ConfigError,
    /// Where in the document.
    pub map: SourceMap,
}

impl Unread {
    /// A document by its name, and why it could not be read.
    pub fn new(name: impl Into<String>, error: ConfigError, map: SourceMap) -> Self {
        Self {
            name: name.into(),
            error,
            map,
        }
    }
}
