//! On the decoded call: what a caller, project or model may use in a day or month, in tokens or money.
//!
//! # What happens
//!
//! As with `rateLimit`, a call reserves what it will probably use and settles when it has ended; but what is used
//! comes back all at once, at midnight of the next day or month in UTC.
//!
//! 1. A budget that has too little left refuses the call with [`BUDGET_EXCEEDED`], 429, and `retry-after` to the
//!    end of its day or month. One of `mode: Soft` lets it pass.
//! 2. From `warnAt` percent on, 80 unless told otherwise, the reply has the header `portcullis-budget-used` with the
//!    percent used of the budget that is used most. One that is used up shows as 100.
//! 3. A budget in dollars counts by the gateway's list of prices. A call of a model whose price is not on it
//!    is refused with [`PRICE_UNKNOWN`]: unknown is not free. Where your models have names of your own, whose price is
//!    known only when an upstream is chosen, `reserveUsd` is reserved instead. What an attempt costs is counted by the model that served it.
//!
//! What belongs to a day that is over when a call ends counts for that day. Counts live in the process.
//!
//! # Configuration
//!
//! ```yaml
//! budget:
//!   limits:
//!   - {usd: 50, per: Month, key: apiKey.id}
//!   - {tokens: 1000000, per: Day, key: 'apiKey.id + " " + llm.model'}
//!   - {usd: 2000, per: Month, mode: Soft, warnAt: 90}
//! ```
//!
//! [`BUDGET_EXCEEDED`]: crate::codes::BUDGET_EXCEEDED
//! [`PRICE_UNKNOWN`]: crate::codes::PRICE_UNKNOWN

mod config;
mod layer;
mod service;

#[cfg(test)]
mod tests;

pub use config::{BudgetConfig, BudgetLimit, BudgetPolicy, Mode, Period};
pub use layer::BudgetLayer;
pub use service::Budget;
