//! Before the request line: a configuration made by code.

use std::{env, fmt};

use futures_util::future::{self, BoxFuture};
use portcullis_core::config::{Config, ConfigError, ConfigSource, Loaded, Project, SourceMap};

use crate::source::join;
use crate::source::watch::Watch;

/// A configuration that never changes but for the files it names: a value, or a YAML or JSON text.
///
/// In a text `${NAME}` expands to environment variables, as in a file. It notices when a file changes that
/// it names by `{file: path}`. Its `Debug` output shows neither value nor text.
pub struct ValueSource(Given, Watch);

impl Clone for ValueSource {
    fn clone(&self) -> Self {
        Self(self.0.clone(), Watch::default())
    }
}

#[derive(Clone)]
enum Given {
    Config(Box<Config>),
    Text(String),
}

impl ValueSource {
    /// Offers `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Given::Config(Box::new(config)), Watch::default())
    }

    /// Offers what a YAML or JSON text says; it is read each time the source is loaded.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Given::Text(text.into()), Watch::default())
    }

    /// Reads it, without waiting for anything.
    #[must_use]
    pub fn read(&self) -> Loaded {
        let mut reading = self.1.reading();
        let loaded = match &self.0 {
            Given::Text(text) => join::load([("<text>".to_owned(), Ok(text.clone()))], &|name| {
                env::var(name).ok()
            }),
            Given::Config(config) => {
                let mut loaded = Loaded::default();
                let config = Config::clone(config);
                loaded
                    .projects
                    .push(Project::new(config, Vec::new(), SourceMap::new()));
                loaded
            }
        };
        reading.note_named(&loaded);
        reading.done();
        loaded
    }
}

impl ConfigSource for ValueSource {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, ConfigError>> {
        Box::pin(future::ready(Ok(self.read())))
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.1.changed())
    }
}

impl fmt::Debug for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueSource").finish_non_exhaustive()
    }
}
