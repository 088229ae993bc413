//! `concurrency` in configuration.

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::expr::Cel;
use portcullis_core::llm::Llm;
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ConcurrencyLayer;
use crate::ledger::{MAX_KEYS, Table};

/// The policy `concurrency`, on listeners and routes: how many calls may be in flight.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConcurrencyPolicy;

/// How many calls may be in flight.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConcurrencyConfig {
    /// So many.
    #[schemars(range(min = 1))]
    pub max: u64,
    /// Whose: an expression, each value of which has as many. Default: all calls share them.
    pub key: Option<Cel>,
}

impl PolicyKind for ConcurrencyPolicy {
    const NAME: &'static str = "concurrency";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = ConcurrencyConfig;

    fn is_typed(config: &ConcurrencyConfig) -> bool {
        config.key.as_ref().is_some_and(Cel::is_typed)
    }
}

impl Policy<Http> for ConcurrencyPolicy {
    fn layer(
        &self,
        config: ConcurrencyConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl Policy<Llm> for ConcurrencyPolicy {
    fn layer(
        &self,
        config: ConcurrencyConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl ConcurrencyConfig {
    fn read(self, cx: &BuildContext<'_>) -> Result<ConcurrencyLayer, ConfigError> {
        if self.max == 0 {
            let what = "none would refuse every call; use `authorization` for that";
            return Err(cx.error(&Pointer::root().key("max"), what));
        }
        let key = self.key.as_ref().map_or("", Cel::source);
        let table = cx.state(&format!("calls {key}"), || Table::new(MAX_KEYS));
        let layer = ConcurrencyLayer::new(self.max).table(table);
        Ok(match self.key {
            Some(key) => layer.key(key),
            None => layer,
        })
    }
}
