//! A policy: a name and a configuration that make a layer of one or more protocols.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::BuildContext;
use crate::config::ConfigError;
use crate::protocol::{ArcLayer, Protocol};

/// What happens when the same policy stands on two levels of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The more specific one replaces the outer one, in the inner place.
    #[default]
    Replace,
    /// Both apply.
    Accumulate,
}

/// Where a policy can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// On a listener: every call that comes in there.
    Listener,
    /// On a route: every call it matches.
    Route,
    /// On a backend: every attempt at one of its endpoints.
    Backend,
    /// On one endpoint of a backend: every attempt there.
    Endpoint,
}

impl Level {
    /// Every level.
    pub const ALL: &'static [Self] = &[Self::Listener, Self::Route, Self::Backend, Self::Endpoint];
    /// The levels that see a call once, whatever is attempted for it.
    pub const CALL: &'static [Self] = &[Self::Listener, Self::Route];

    /// Its name in configuration: `listener`, `route`, `backend`, `endpoint`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Route => "route",
            Self::Backend => "backend",
            Self::Endpoint => "endpoint",
        }
    }
}

/// The protocol-free half of a policy: what it is called and how it is configured.
pub trait PolicyKind: Send + Sync + 'static {
    /// Its name in configuration, in camel case.
    const NAME: &'static str;
    /// What happens when it stands on two levels.
    const MERGE: Merge = Merge::Replace;
    /// Where it can stand.
    const LEVELS: &'static [Level] = Level::ALL;
    /// Its configuration; unknown keys must be refused.
    type Config: DeserializeOwned + JsonSchema;

    /// Whether it must see the decoded call to do what this configuration asks, if it works on HTTP as well.
    /// Default: it need not.
    fn is_typed(config: &Self::Config) -> bool {
        let _ = config;
        false
    }
}

/// A policy for protocol `P`.
pub trait Policy<P: Protocol>: PolicyKind {
    /// Makes the layer. Runs while a configuration is built: it is synchronous and reaches no network.
    ///
    /// # Errors
    ///
    /// When the configuration makes no sense; [`BuildContext::error`] says where.
    fn layer(
        &self,
        config: Self::Config,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<P>, ConfigError>;
}
