//! The limits of one policy, as calls meet them.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use portcullis_core::context::{Context, Money, Price, Prices, Tokens};
use portcullis_core::error::{Code, Error};
use portcullis_core::expr::{Cel, Facts};
use portcullis_core::llm::{LlmInput, LlmRequest, Operation};
use sha2::{Digest, Sha256};

use super::charge::Pending;
use super::headers::Family;
use super::quota::{Quota, Short, Standing};
use super::table::{Entry, Table};
use crate::codes;

/// A longer key is known by its digest.
const MAX_KEY: usize = 128;

/// What a limit counts.
#[derive(Clone, Debug)]
pub enum Measure {
    /// Calls, those that fail included.
    Requests,
    /// Tokens of input and output.
    Tokens,
    /// Millionths of a millionth of a dollar, by these prices.
    Money(Arc<dyn Prices>),
    /// Calls at once.
    Calls,
}

/// How much of something each key may use.
#[derive(Debug)]
pub struct Limit {
    pub(super) measure: Measure,
    quota: Quota,
    key: Option<Cel>,
    table: Arc<Table>,
    soft: bool,
    /// What is reserved of money for a call whose price is not known before an upstream is chosen.
    unpriced: Option<u64>,
    /// From which part of it on callers are warned, in percent.
    warn_at: Option<u8>,
}

/// What a call is refused with where a limit is reached.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The code of the error.
    pub code: &'static Code,
    /// What is used up: `rate limit`, `budget`.
    pub what: &'static str,
}

impl Limit {
    /// So much of `measure` for all calls together.
    pub fn new(measure: Measure, quota: Quota) -> Self {
        Self {
            measure,
            quota,
            key: None,
            table: Arc::new(Table::new(super::MAX_KEYS)),
            soft: false,
            unpriced: None,
            warn_at: None,
        }
    }

    /// So much for each value of `key` instead.
    #[must_use]
    pub fn key(mut self, key: Cel) -> Self {
        self.key = Some(key);
        self
    }

    /// Counts in this table, which others may share. Default: one of its own.
    #[must_use]
    pub fn table(mut self, table: Arc<Table>) -> Self {
        self.table = table;
        self
    }

    /// Lets calls pass where it is reached, with a warning.
    #[must_use]
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    /// Reserves so much money for a call whose price is not known before an upstream is chosen, as that of a model
    /// with a name of your own. Default: such a call is refused.
    #[must_use]
    pub fn unpriced(mut self, amount: Money) -> Self {
        self.unpriced = Some(amount.picodollars());
        self
    }

    /// Warns callers from so many percent on.
    #[must_use]
    pub fn warn_at(mut self, percent: u8) -> Self {
        self.warn_at = Some(percent);
        self
    }

    /// Whether it must see the decoded call.
    pub fn is_typed(&self) -> bool {
        matches!(self.measure, Measure::Tokens | Measure::Money(_))
            || self.key.as_ref().is_some_and(Cel::is_typed)
    }

    pub(super) fn settle(&self, entry: &Entry, spent: u64) {
        let now = self.table.now();
        self.table.settle(&self.quota, entry, spent, now);
    }

    fn key_of(&self, facts: &Facts<'_>) -> Result<String, Error> {
        let Some(key) = &self.key else {
            return Ok(String::new());
        };
        let value = key.text(facts).map_err(|e| {
            let code = &codes::LIMIT_KEY_MISSING;
            Error::new(code, code.about).because(e)
        })?;
        if value.len() <= MAX_KEY {
            return Ok(value);
        }
        let digest = Sha256::digest(value.as_bytes());
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What the call will probably use; nothing where that cannot be known.
    fn estimate(&self, call: Option<&LlmRequest>, output: u64) -> Result<u64, Unknown> {
        match &self.measure {
            Measure::Requests | Measure::Calls => Ok(1),
            Measure::Tokens => {
                let (input, output) = tokens(call, output).ok_or(Unknown::Tokens)?;
                Ok(input.saturating_add(output))
            }
            Measure::Money(prices) => {
                let (input, output) = tokens(call, output).ok_or(Unknown::Tokens)?;
                if input == 0 && output == 0 {
                    return Ok(0);
                }
                let price = call.and_then(|call| asked_price(call, &**prices));
                let cost = price.map(|price| price.of(Tokens::new(input, output)).picodollars());
                cost.or(self.unpriced).ok_or(Unknown::Price)
            }
        }
    }
}

/// What stands in the way of an estimate.
enum Unknown {
    Tokens,
    Price,
}

/// Whether a caller is to be warned, and how much of the limit is used, in percent.
#[derive(Debug)]
pub(crate) struct Warned(pub(crate) u64);

/// All limits of one policy.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) all: Vec<Arc<Limit>>,
    pub(crate) refusal: Refusal,
    /// Output tokens reserved for a call that does not say how many it wants, and at most for one that does.
    pub(crate) reserve_output: u64,
    /// Whether calls go on of which nobody knows what they use.
    pub(crate) unmodelled: bool,
}

/// A call that may go on.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) pending: Pending,
    pub(crate) warned: Option<Warned>,
    tightest: Vec<(Measure, Standing)>,
    now: jiff::Timestamp,
}

impl Limits {
    /// Reserves what a call needs of every limit, or nothing.
    pub(crate) fn admit(
        &self,
        context: &Context,
        facts: &Facts<'_>,
        call: Option<&LlmRequest>,
        family: Family,
    ) -> Result<Admitted, Error> {
        let mut admitted = Admitted {
            pending: Pending::new(context.clone()),
            warned: None,
            tightest: Vec::new(),
            now: jiff::Timestamp::now(),
        };
        for limit in &self.all {
            match self.reserve(limit, facts, call, family) {
                Ok(Some((entry, standing))) => {
                    admitted.note(limit, standing);
                    admitted.pending.push(limit.clone(), entry);
                }
                Ok(None) => {}
                Err(refused) => {
                    admitted.pending.cancel();
                    return Err(refused);
                }
            }
        }
        Ok(admitted)
    }

    fn reserve(
        &self,
        limit: &Limit,
        facts: &Facts<'_>,
        call: Option<&LlmRequest>,
        family: Family,
    ) -> Result<Option<(Entry, Standing)>, Error> {
        let amount = match limit.estimate(call, self.reserve_output) {
            Ok(amount) => amount,
            Err(Unknown::Tokens) if self.unmodelled => return Ok(None),
            Err(Unknown::Tokens) => {
                let code = &codes::UNINSPECTABLE;
                return Err(Error::new(code, code.about));
            }
            Err(Unknown::Price) => {
                let code = &codes::PRICE_UNKNOWN;
                return Err(Error::new(code, code.about).param("model"));
            }
        };
        let key = limit.key_of(facts)?;
        let now = limit.table.now();
        let reserved = limit
            .table
            .reserve(&limit.quota, &key, amount, now, limit.soft);
        reserved
            .map(Some)
            .map_err(|short| self.refuse(limit, short, family, now.date))
    }

    fn refuse(&self, limit: &Limit, short: Short, family: Family, now: jiff::Timestamp) -> Error {
        let Refusal { code, what } = self.refusal;
        let of = match &limit.measure {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::Money(_) => "dollars",
            Measure::Calls => "calls at once",
        };
        let words = match short.after {
            Some(_) => format!("the {what} of {of} is reached, try again later"),
            None => format!("the call needs more {of} than the {what} ever allows"),
        };
        let mut error = Error::new(code, words);
        if let Some(after) = short.after {
            error = error.retry_after(after);
        }
        let headers = family.write(&limit.measure, short.standing, now);
        headers
            .into_iter()
            .fold(error, |error, (name, value)| error.header(name, value))
    }
}

impl Admitted {
    fn note(&mut self, limit: &Limit, standing: Standing) {
        let used = standing.limit.saturating_sub(standing.remaining);
        let percent = used.saturating_mul(100) / standing.limit.max(1);
        if limit.warn_at.is_some_and(|at| percent >= u64::from(at)) {
            let most = self.warned.as_ref().map_or(0, |w| w.0);
            self.warned = Some(Warned(most.max(percent)));
        }
        let same =
            |m: &Measure| std::mem::discriminant(m) == std::mem::discriminant(&limit.measure);
        match self.tightest.iter_mut().find(|(measure, _)| same(measure)) {
            Some((_, tightest)) if tightest.remaining <= standing.remaining => {}
            Some((_, tightest)) => *tightest = standing,
            None => self.tightest.push((limit.measure.clone(), standing)),
        }
    }

    /// What is left of the tightest limit of each measure, for the reply.
    pub(crate) fn headers(&self, family: Family) -> Vec<(HeaderName, HeaderValue)> {
        let each = self.tightest.iter();
        each.flat_map(|(measure, standing)| family.write(measure, *standing, self.now))
            .collect()
    }
}

/// Tokens of input and output a call will probably use. None for a call that is not read; no tokens for one
/// that uses none.
fn tokens(call: Option<&LlmRequest>, output: u64) -> Option<(u64, u64)> {
    let call = call?;
    match call.operation {
        Operation::CountTokens | Operation::ListModels | Operation::GetModel => Some((0, 0)),
        Operation::Embeddings => Some((call.estimate_input()?, 0)),
        Operation::Chat => {
            let asked = max_output(call).unwrap_or(output);
            Some((call.estimate_input()?, asked.min(output)))
        }
        _ => None,
    }
}

/// The price of the model a call asks for, where its name or its dialect says whose model it is.
fn asked_price(call: &LlmRequest, prices: &dyn Prices) -> Option<Price> {
    let vendor = call.dialect.name().split('-').next().unwrap_or_default();
    let by_name = call.model.split_once('/');
    let by_name = by_name.and_then(|(provider, model)| prices.price(provider, model));
    by_name.or_else(|| prices.price(vendor, &call.model))
}

/// How many output tokens a call asks for at most, by the names of the dialects there are.
fn max_output(call: &LlmRequest) -> Option<u64> {
    const NAMES: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
    let LlmInput::Json(payload) = &call.body else {
        return None;
    };
    let (doc, raw) = (payload.view().ok()?, payload.raw());
    NAMES.iter().find_map(|name| doc.get(raw, name)?.as_u64())
}
