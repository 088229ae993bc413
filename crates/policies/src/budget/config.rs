//! `budget` in configuration.

use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::context::Money;
use portcullis_core::expr::Cel;
use portcullis_core::llm::Llm;
use portcullis_core::protocol::ArcLayer;
use schemars::JsonSchema;
use serde::Deserialize;

use super::BudgetLayer;
use crate::ledger::{Limit, MAX_KEYS, Measure, Quota, Table, Window};
use crate::rate_limit::Unmodelled;

/// The policy `budget`, on listeners and routes: what may be used in a day or month.
#[derive(Clone, Copy, Debug, Default)]
pub struct BudgetPolicy;

/// What may be used in a day or month.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BudgetConfig {
    /// The budgets. A call keeps to all of them.
    #[schemars(length(min = 1, max = 16))]
    pub limits: Vec<BudgetLimit>,
    /// Output tokens reserved for a call that does not say how many it wants, and at most for one that does.
    /// Default: 1024.
    #[serde(default = "reserve_output")]
    pub reserve_output: u64,
    /// What becomes of calls whose tokens nobody knows. Default: `Refuse`.
    #[serde(default)]
    pub unmodelled: Unmodelled,
}

/// One budget: in tokens, or in dollars.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BudgetLimit {
    /// So many tokens, of input and output together.
    #[schemars(range(min = 1))]
    pub tokens: Option<u64>,
    /// So many US dollars.
    #[schemars(range(min = 0.000001))]
    pub usd: Option<f64>,
    /// So many US dollars are reserved for a call whose price is not known before an upstream is chosen, as that of a
    /// model with a name of your own. Default: such a call is refused.
    #[schemars(range(min = 0.000001))]
    pub reserve_usd: Option<f64>,
    /// In each of these, by the calendar in UTC.
    pub per: Period,
    /// Whose: an expression, each value of which has the whole budget. Default: all calls share it.
    pub key: Option<Cel>,
    /// What happens when it is used up. Default: `Hard`.
    #[serde(default)]
    pub mode: Mode,
    /// From how many percent on callers are warned. Default: 80.
    #[serde(default = "warn_at")]
    #[schemars(range(min = 1, max = 100))]
    pub warn_at: u8,
}

/// The time a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Period {
    /// A day in UTC.
    Day,
    /// A month of the calendar, in UTC.
    Month,
}

/// What happens when a budget is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Mode {
    /// Calls are refused.
    #[default]
    Hard,
    /// Calls pass, with a warning on the reply.
    Soft,
}

/// More budgets than this in one policy are refused.
const MAX_LIMITS: usize = 16;
/// More than this, in dollars, cannot be counted as finely as prices are.
const MAX_USD: f64 = 1e7;

fn reserve_output() -> u64 {
    1024
}

fn warn_at() -> u8 {
    80
}

impl PolicyKind for BudgetPolicy {
    const NAME: &'static str = "budget";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = BudgetConfig;
}

impl Policy<Llm> for BudgetPolicy {
    fn layer(
        &self,
        config: BudgetConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        let list = Pointer::root().key("limits");
        if config.limits.is_empty() || config.limits.len() > MAX_LIMITS {
            return Err(cx.error(&list, "there must be 1 to 16 budgets"));
        }
        let mut limits = Vec::with_capacity(config.limits.len());
        let mut seen: Vec<String> = Vec::with_capacity(config.limits.len());
        for (index, limit) in config.limits.into_iter().enumerate() {
            let at = list.index(index);
            let identity = limit.identity();
            if let Some(first) = seen.iter().position(|other| *other == identity) {
                let what = "two budgets of the same kind, time, key and mode, of which only the lower one matters";
                let first = cx.at().join(&list.index(first));
                return Err(cx.error(&at, what).other(first));
            }
            let table = cx.state(&identity, || Table::new(MAX_KEYS));
            limits.push(limit.read(&at, cx)?.table(table));
            seen.push(identity);
        }
        let unmodelled = config.unmodelled == Unmodelled::Allow;
        let layer = BudgetLayer::new(limits, config.reserve_output, unmodelled);
        Ok(ArcLayer::new(layer))
    }
}

impl BudgetLimit {
    /// By what its counts are found again after a change.
    fn identity(&self) -> String {
        let what = match self.tokens {
            Some(_) => "tokens",
            None => "usd",
        };
        let key = self.key.as_ref().map_or("", Cel::source);
        format!("{what} {:?} {:?} {key}", self.per, self.mode)
    }

    fn read(self, at: &Pointer, cx: &BuildContext<'_>) -> Result<Limit, ConfigError> {
        let window = match self.per {
            Period::Day => Window::Day,
            Period::Month => Window::Month,
        };
        let limit = match (self.tokens, self.usd) {
            (Some(0), None) => {
                let what = "none would refuse every call; use `authorization` for that";
                return Err(cx.error(&at.key("tokens"), what));
            }
            (Some(tokens), None) => Limit::new(Measure::Tokens, Quota::new(tokens, window)),
            (None, Some(usd)) => {
                let prices = cx.prices().ok_or_else(|| {
                    let what = "a budget in dollars needs a list of prices, and there is none";
                    cx.error(&at.key("usd"), what).hint("give it in `tokens`")
                })?;
                let amount = money(usd, &at.key("usd"), cx)?.picodollars();
                let limit = Limit::new(Measure::Money(prices), Quota::new(amount, window));
                match self.reserve_usd {
                    Some(usd) => limit.unpriced(money(usd, &at.key("reserveUsd"), cx)?),
                    None => limit,
                }
            }
            _ => return Err(cx.error(at, "exactly one of `tokens` and `usd` is needed")),
        };
        if !(1..=100).contains(&self.warn_at) {
            return Err(cx.error(&at.key("warnAt"), "expected a whole number from 1 to 100"));
        }
        let limit = limit.warn_at(self.warn_at);
        let limit = match self.mode {
            Mode::Hard => limit,
            Mode::Soft => limit.soft(),
        };
        Ok(match self.key {
            Some(key) => limit.key(key),
            None => limit,
        })
    }
}

fn money(usd: f64, at: &Pointer, cx: &BuildContext<'_>) -> Result<Money, ConfigError> {
    if !(1e-6..=MAX_USD).contains(&usd) {
        return Err(cx.error(at, "expected dollars from 0.000001 to 10000000"));
    }
    Ok(Money::from_picodollars((usd * 1e12).round() as u64))
}
