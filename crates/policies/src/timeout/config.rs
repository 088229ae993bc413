//! `timeouts` in configuration.

use portcullis_core::assemble::{BuildContext, Merge, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Duration, Pointer};
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time;

use super::TimeoutsLayer;

/// The policy `timeouts`: how long a call, and each wait for its upstream, may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeoutsPolicy;

/// How long to wait for what. What is left out is decided elsewhere: on an outer level, or by the HTTP
/// client. `0s` is a wait without limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TimeoutsConfig {
    /// The whole call, to the last byte of its reply; on a backend or an endpoint, each attempt.
    pub request: Option<Duration>,
    /// The making of a connection, with name lookup and TLS.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the upstream's reply.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the upstream's reply.
    pub idle: Option<Duration>,
}

impl PolicyKind for TimeoutsPolicy {
    const NAME: &'static str = "timeouts";
    const MERGE: Merge = Merge::Accumulate;
    type Config = TimeoutsConfig;
}

impl Policy<Http> for TimeoutsPolicy {
    fn layer(
        &self,
        config: TimeoutsConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        config.check(cx)?;
        let mut layer = TimeoutsLayer::new();
        if let Some(limit) = config.request.filter(|limit| !limit.get().is_zero()) {
            layer = layer.request(limit.get());
        }
        if let Some(limit) = config.connect {
            layer = layer.connect(or_never(limit));
        }
        if let Some(limit) = config.first_byte {
            layer = layer.first_byte(or_never(limit));
        }
        if let Some(limit) = config.idle {
            layer = layer.idle(or_never(limit));
        }
        Ok(ArcLayer::new(layer))
    }
}

impl TimeoutsConfig {
    /// Refuses limits that could never be reached.
    fn check(&self, cx: &BuildContext<'_>) -> Result<(), ConfigError> {
        let whole = self.request.map_or(time::Duration::MAX, or_never);
        for (key, part) in [
            ("connect", self.connect),
            ("firstByte", self.first_byte),
            ("idle", self.idle),
        ] {
            if part.is_some_and(|limit| limit.get() > whole) {
                let what = format!("`{key}` is longer than `request`, so it never ends a call");
                return Err(cx
                    .error(&Pointer::root().key(key), what)
                    .other(cx.at().key("request")));
            }
        }
        Ok(())
    }
}

/// The wait this stands for: `0s` is one without end.
fn or_never(limit: Duration) -> time::Duration {
    match limit.get() {
        time::Duration::ZERO => time::Duration::MAX,
        limit => limit,
    }
}
