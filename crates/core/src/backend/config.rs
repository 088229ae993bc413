//! Before the request line: how endpoints share calls and when they are left out, as configuration writes it.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Affinity, Balance, Patience, Queue};
use crate::config::Duration;

/// When an endpoint is taken out, and for how long. It comes back when one call, tried on it after that time,
/// succeeds. Where all are out, those that fail are used all the same.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthConfig {
    /// Failures in a row: no connection, no answer in time, a broken reply, or a status from 500 on (but
    /// 501). 0 never takes an endpoint out for them. Default: 5.
    pub consecutive_failures: u32,
    /// The share of failures among the calls of one window, in percent, 0 to 100. 0 never takes an endpoint
    /// out for it. Default: 50.
    pub failure_percent: u32,
    /// How many calls a window must have had for their share to count. Default: 20.
    pub window_calls: u32,
    /// How long a window is. Default: 30 s.
    pub window: Duration,
    /// How long an endpoint is left out the first time; twice as long each further time. Default: 10 s.
    pub eject_for: Duration,
    /// The longest it is left out, also where it asks for longer by `retry-after`. Default: 5 min.
    pub max_eject_for: Duration,
    /// After its return, how long its share of the calls grows to the whole. Default: 10 s.
    pub slow_start: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        let patience = Patience::default();
        Self {
            consecutive_failures: patience.failures,
            failure_percent: patience.failure_percent,
            window_calls: patience.window_calls,
            window: patience.window.into(),
            eject_for: patience.first.into(),
            max_eject_for: patience.longest.into(),
            slow_start: patience.slow_start.into(),
        }
    }
}

impl From<HealthConfig> for Patience {
    fn from(config: HealthConfig) -> Self {
        Self {
            failures: config.consecutive_failures,
            failure_percent: config.failure_percent,
            window_calls: config.window_calls,
            window: config.window.get(),
            first: config.eject_for.get(),
            longest: config.max_eject_for.get(),
            slow_start: config.slow_start.get(),
        }
    }
}

/// How the endpoints of a group share the calls.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum BalanceConfig {
    /// Of two drawn by weight, the one with fewer calls under way and sooner answers.
    #[default]
    PowerOfTwoChoices,
    /// In turn, by weight.
    RoundRobin,
    /// The one with the fewest calls under way for its weight.
    LeastRequests,
    /// Calls of one key go to one endpoint as long as it is fit, which keeps its prompt cache warm.
    Hash(HashConfig),
}

/// Where the key is found.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashConfig {
    /// The name of a request header. A call without it goes by `powerOfTwoChoices`.
    pub header: String,
}

impl BalanceConfig {
    /// What it stands for; none when the header's name is none.
    pub fn balance(&self) -> Option<Balance> {
        Some(match self {
            Self::PowerOfTwoChoices => Balance::PowerOfTwoChoices,
            Self::RoundRobin => Balance::RoundRobin,
            Self::LeastRequests => Balance::LeastRequests,
            Self::Hash(hash) => {
                let name = HeaderName::from_bytes(hash.header.as_bytes()).ok()?;
                Balance::Hash(Affinity::Header(name))
            }
        })
    }
}

/// How calls wait where every fit endpoint has as many as its `maxConcurrent`. Whoever finds the queue full,
/// or waits in vain, is answered 503 with `retry-after`.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueConfig {
    /// How many calls may wait. Default: 100.
    pub max: usize,
    /// How long one waits; never beyond its own deadline. Default: 10 s.
    pub timeout: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        let queue = Queue::default();
        Self {
            max: queue.max,
            timeout: queue.timeout.into(),
        }
    }
}

impl From<QueueConfig> for Queue {
    fn from(config: QueueConfig) -> Self {
        Self {
            max: config.max,
            timeout: config.timeout.get(),
        }
    }
}
