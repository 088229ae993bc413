//! Before the request line: a configuration made by code.

use std::{env, fmt};

use futures_util::future::{self, BoxFuture};
use portcullis_core::config::{Config, ConfigError, ConfigSource, Loaded, Project, SourceMap};

use crate::source::join;

/// A configuration that never changes: a value, or a YAML or JSON text.
///
/// In a text `${NAME}` expands to environment variables, as in a file. Its `Debug` output shows neither.
#[derive(Clone)]
pub struct ValueSource(Given);

#[derive(Clone)]
enum Given {
    Config(Box<Config>),
    Text(String),
}

impl ValueSource {
    /// Offers `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Given::Config(Box::new(config)))
    }

    /// Offers what a YAML or JSON text says; it is read each time the source is loaded.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Given::Text(text.into()))
    }

    /// Reads it, without waiting for anything.
    #[must_use]
    pub fn read(&self) -> Loaded {
        match &self.0 {
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
        }
    }
}

impl ConfigSource for ValueSource {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, ConfigError>> {
        Box::pin(future::ready(Ok(self.read())))
    }
}

impl fmt::Debug for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueSource").finish_non_exhaustive()
    }
}
