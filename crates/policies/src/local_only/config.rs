//! `localOnly` in configuration.

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::ConfigError;
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;

use super::LocalOnlyLayer;

/// The policy `localOnly`: only callers on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalOnlyPolicy;

/// It has no settings: `localOnly: {}`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalOnlyConfig {}

impl PolicyKind for LocalOnlyPolicy {
    const NAME: &'static str = "localOnly";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = LocalOnlyConfig;
}

impl Policy<Http> for LocalOnlyPolicy {
    fn layer(
        &self,
        _: LocalOnlyConfig,
        _: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        Ok(ArcLayer::new(LocalOnlyLayer))
    }
}
