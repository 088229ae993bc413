//! `rateLimit` in configuration.

use std::time::Duration;

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::expr::Cel;
use portcullis_core::llm::Llm;
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;

use super::RateLimitLayer;
use super::layer::RESERVE_OUTPUT;
use crate::ledger::{Limit, MAX_KEYS, Measure, Quota, Table, Window};

/// The policy `rateLimit`, on listeners and routes: how much a caller may use in a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimitPolicy;

/// How much callers may use in a time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimitConfig {
    /// Limits counted in this process. A call keeps to all of them.
    #[schemars(length(min = 1, max = 16))]
    pub local: Vec<LimitConfig>,
    /// Output tokens reserved for a call that does not say how many it wants, and at most for one that does.
    /// Default: 1024.
    #[serde(default = "reserve_output")]
    pub reserve_output: u64,
    /// What becomes of calls whose tokens nobody knows, where tokens are limited. Default: `Refuse`.
    #[serde(default)]
    pub unmodelled: Unmodelled,
    /// Keys remembered of each limit. Default: 100000.
    #[serde(default = "max_keys")]
    #[schemars(range(min = 16, max = 100_000_000))]
    pub max_keys: usize,
}

/// So many requests, or so many tokens, in a time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LimitConfig {
    /// So many requests.
    #[schemars(range(min = 1))]
    pub requests: Option<u64>,
    /// So many tokens, of input and output together.
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    /// In each of these.
    pub unit: Unit,
    /// So many more at once, after a time of rest. Default: 0.
    #[serde(default)]
    pub burst: u64,
    /// Whose: an expression, each value of which has the whole amount. Default: all calls share it.
    pub key: Option<Cel>,
}

/// A time. What is used comes back evenly within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Unit {
    /// A second.
    #[serde(alias = "Second")]
    Seconds,
    /// A minute.
    #[serde(alias = "Minute")]
    Minutes,
    /// An hour.
    #[serde(alias = "Hour")]
    Hours,
    /// 24 hours.
    #[serde(alias = "Day")]
    Days,
    /// 7 days.
    #[serde(alias = "Week")]
    Weeks,
    /// 30 days.
    #[serde(alias = "Month")]
    Months,
}

/// What becomes of calls the gateway does not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Unmodelled {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, and are not counted.
    Allow,
}

/// More limits than this in one policy are refused, as AgentgatewayPolicy does.
const MAX_LIMITS: usize = 16;

fn reserve_output() -> u64 {
    RESERVE_OUTPUT
}

fn max_keys() -> usize {
    MAX_KEYS
}

impl Unit {
    /// How long it is.
    pub fn duration(self) -> Duration {
        const HOUR: u64 = 60 * 60;
        Duration::from_secs(match self {
            Self::Seconds => 1,
            Self::Minutes => 60,
            Self::Hours => HOUR,
            Self::Days => 24 * HOUR,
            Self::Weeks => 7 * 24 * HOUR,
            Self::Months => 30 * 24 * HOUR,
        })
    }
}

impl PolicyKind for RateLimitPolicy {
    const NAME: &'static str = "rateLimit";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = RateLimitConfig;

    fn is_typed(config: &RateLimitConfig) -> bool {
        let typed = |key: &Cel| key.is_typed();
        let mut limits = config.local.iter();
        limits.any(|limit| limit.tokens.is_some() || limit.key.as_ref().is_some_and(typed))
    }
}

impl Policy<Http> for RateLimitPolicy {
    fn layer(
        &self,
        config: RateLimitConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl Policy<Llm> for RateLimitPolicy {
    fn layer(
        &self,
        config: RateLimitConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl RateLimitConfig {
    fn read(self, cx: &BuildContext<'_>) -> Result<RateLimitLayer, ConfigError> {
        let list = Pointer::root().key("local");
        if self.local.is_empty() || self.local.len() > MAX_LIMITS {
            return Err(cx.error(&list, "there must be 1 to 16 limits"));
        }
        let mut limits: Vec<Limit> = Vec::with_capacity(self.local.len());
        let mut seen: Vec<String> = Vec::with_capacity(self.local.len());
        for (index, limit) in self.local.into_iter().enumerate() {
            let at = list.index(index);
            let identity = limit.identity();
            if let Some(first) = seen.iter().position(|other| *other == identity) {
                let what = "two limits of the same kind, unit and key, of which only the lower one matters";
                let first = cx.at().join(&list.index(first));
                return Err(cx.error(&at, what).other(first));
            }
            let table = cx.state(&identity, || Table::new(self.max_keys));
            limits.push(limit.read(&at, cx)?.table(table));
            seen.push(identity);
        }
        let layer = RateLimitLayer::new(limits).reserve_output(self.reserve_output);
        Ok(match self.unmodelled {
            Unmodelled::Refuse => layer,
            Unmodelled::Allow => layer.allow_unmodelled(),
        })
    }
}

impl LimitConfig {
    /// By what its counts are found again after a change.
    fn identity(&self) -> String {
        let what = match self.requests {
            Some(_) => "requests",
            None => "tokens",
        };
        let key = self.key.as_ref().map_or("", Cel::source);
        format!("{what} {:?} {key}", self.unit)
    }

    fn read(self, at: &Pointer, cx: &BuildContext<'_>) -> Result<Limit, ConfigError> {
        let (measure, name, amount) = match (self.requests, self.tokens) {
            (Some(requests), None) => (Measure::Requests, "requests", requests),
            (None, Some(tokens)) => (Measure::Tokens, "tokens", tokens),
            _ => return Err(cx.error(at, "exactly one of `requests` and `tokens` is needed")),
        };
        if amount == 0 {
            let what = "none would refuse every call; use `authorization` for that";
            return Err(cx.error(&at.key(name), what));
        }
        let window = Window::Rolling(self.unit.duration());
        let limit = Limit::new(measure, Quota::new(amount, window).burst(self.burst));
        Ok(match self.key {
            Some(key) => limit.key(key),
            None => limit,
        })
    }
}
