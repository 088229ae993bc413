//! `retry` in configuration.

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::attempt::RetryConfig;
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::llm::Llm;
use portcullis_core::protocol::ArcLayer;

use super::RetryLayer;

/// The policy `retry`: further attempts, for the calls of a listener or a route.
#[derive(Clone, Copy, Debug, Default)]
pub struct RetryPolicy;

impl PolicyKind for RetryPolicy {
    const NAME: &'static str = "retry";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = RetryConfig;
}

impl Policy<Llm> for RetryPolicy {
    fn layer(
        &self,
        config: RetryConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        let retry = config.retry();
        let retry = retry.map_err(|(key, what)| cx.error(&Pointer::root().key(key), what))?;
        Ok(ArcLayer::new(RetryLayer::new(retry)))
    }
}
