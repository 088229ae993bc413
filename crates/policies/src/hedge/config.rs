//! `hedge` in configuration.

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::attempt::HedgeConfig;
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::llm::Llm;
use portcullis_core::protocol::ArcLayer;

use super::HedgeLayer;

/// The policy `hedge`: second attempts beside slow ones, for the calls of a listener or a route.
#[derive(Clone, Copy, Debug, Default)]
pub struct HedgePolicy;

impl PolicyKind for HedgePolicy {
    const NAME: &'static str = "hedge";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = HedgeConfig;
}

impl Policy<Llm> for HedgePolicy {
    fn layer(
        &self,
        config: HedgeConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        let hedge = config.hedge();
        let hedge = hedge.map_err(|(key, what)| cx.error(&Pointer::root().key(key), what))?;
        Ok(ArcLayer::new(HedgeLayer::new(hedge)))
    }
}
