//! Before the request line: how the engine works, as configuration writes it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Budget, Hedge, HedgeAfter, Retry};
use crate::config::Duration;

/// The most attempts after the first.
const MAX_ATTEMPTS: u32 = 10;

/// Further attempts after one that failed before the reply's first content.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryConfig {
    /// How many there are after the first, 0 to 10. Default: 2.
    pub attempts: u32,
    /// The pause before an endpoint that failed is asked again; twice as long each further time, and of
    /// random length between half of it and all of it. Another endpoint is asked at once. Default: 100 ms.
    pub backoff: Duration,
    /// The longest pause. Default: 2 s.
    pub max_backoff: Duration,
    /// The longest `retry-after` that is waited for within a call. Default: 5 s.
    pub max_retry_after: Duration,
    /// How often endpoints that failed may be asked again, all calls together.
    pub budget: BudgetConfig,
}

/// A bound on extra requests, so that they cannot multiply an outage. Asking another, fit endpoint is free.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// In percent of the calls, 0 to 100. Default: 20.
    pub percent: f64,
    /// Beside these, so many a second, 0 to 1000. Default: 10.
    pub min_per_second: f64,
}

/// A second attempt at another endpoint when the first takes long. The first to give content serves, the other
/// is cancelled.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HedgeConfig {
    /// When it is made. Either this or `quantile`.
    pub after: Option<Duration>,
    /// When so many of the endpoint's last replies had begun: 0.95 is when 95 % had. Nothing is hedged before 20
    /// replies are known.
    pub quantile: Option<f64>,
    /// The most second attempts, in percent of the calls, 0 to 100. Default: 5.
    #[serde(default = "five")]
    pub max_percent: f64,
}

fn five() -> f64 {
    5.0
}

impl Default for RetryConfig {
    fn default() -> Self {
        let retry = Retry::default();
        Self {
            attempts: retry.attempts,
            backoff: retry.backoff.into(),
            max_backoff: retry.max_backoff.into(),
            max_retry_after: retry.max_wait.into(),
            budget: BudgetConfig::default(),
        }
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        let budget = Retry::default().budget;
        Self {
            percent: budget.percent,
            min_per_second: budget.per_second,
        }
    }
}

impl RetryConfig {
    /// What it stands for.
    ///
    /// # Errors
    ///
    /// The key and one phrase, when a number is out of its bounds.
    pub fn retry(&self) -> Result<Retry, (&'static str, &'static str)> {
        if self.attempts > MAX_ATTEMPTS {
            return Err(("attempts", "at most 10 attempts after the first"));
        }
        let BudgetConfig {
            percent,
            min_per_second,
        } = self.budget;
        if !(0.0..=100.0).contains(&percent) || !(0.0..=1000.0).contains(&min_per_second) {
            return Err((
                "budget",
                "a share is 0 to 100 percent, and 0 to 1000 a second",
            ));
        }
        Ok(Retry {
            attempts: self.attempts,
            backoff: self.backoff.get(),
            max_backoff: self.max_backoff.get(),
            max_wait: self.max_retry_after.get(),
            budget: Budget::new(percent, min_per_second),
        })
    }
}

impl HedgeConfig {
    /// What it stands for.
    ///
    /// # Errors
    ///
    /// The key and one phrase, when a number is out of its bounds, or it does not say when.
    pub fn hedge(&self) -> Result<Hedge, (&'static str, &'static str)> {
        let after = match (self.after, self.quantile) {
            (Some(after), None) => HedgeAfter::Delay(after.get()),
            (None, Some(q)) if q > 0.0 && q < 1.0 => HedgeAfter::Quantile(q),
            (None, Some(_)) => return Err(("quantile", "a share between 0 and 1")),
            _ => return Err(("after", "either `after` or `quantile` says when")),
        };
        if !(0.0..=100.0).contains(&self.max_percent) {
            return Err(("maxPercent", "a share is 0 to 100 percent"));
        }
        Ok(Hedge::new(after, self.max_percent))
    }
}
