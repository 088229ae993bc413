//! `bodyLimit` in configuration.

use portcullis_core::assemble::{BuildContext, Policy, PolicyKind};
use portcullis_core::config::{ByteSize, ConfigError};
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;

use super::BodyLimitLayer;

/// The policy `bodyLimit`: a bound on request bodies.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyLimitPolicy;

/// How large bodies may be.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BodyLimitConfig {
    /// The largest request body let through, in bytes as sent; a compressed one must also unpack to no more.
    /// Default: 32 MiB.
    #[serde(default = "default_request")]
    #[schemars(extend("default" = "32MiB"))]
    pub request: ByteSize,
}

fn default_request() -> ByteSize {
    BodyLimitLayer::DEFAULT
}

impl PolicyKind for BodyLimitPolicy {
    const NAME: &'static str = "bodyLimit";
    type Config = BodyLimitConfig;
}

impl Policy<Http> for BodyLimitPolicy {
    fn layer(
        &self,
        config: BodyLimitConfig,
        _: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        Ok(ArcLayer::new(BodyLimitLayer::new(config.request)))
    }
}
