//! Beside the line: what models cost.
//!
//! [`Catalog`] knows the prices the providers published when this version was made, and those its user gives
//! it, which come first. The built-in ones are a table in the program, looked up where they lie: nothing is
//! parsed before it is asked for, and nothing stays in memory.
//!
//! ```
//! use portcullis_core::context::{Prices, Tokens};
//! use portcullis_providers::catalog::Catalog;
//!
//! let catalog = Catalog::default();
//! let price = catalog.price("anthropic", "claude-haiku-4-5").expect("it is in the table");
//! assert_eq!(price.of(Tokens::new(1_000_000, 0)).to_string(), "1");
//! assert!(catalog.price("anthropic", "no-such-model").is_none());
//! ```

mod table;

use std::sync::Arc;

use portcullis_core::config::{ConfigError, ModelPrice, Pointer};
use portcullis_core::context::{Money, Price, Prices, Rates};

use crate::select::Pattern;

/// More than this for a million tokens is a mistake: a price in cents, or for each token.
const MAX_DOLLARS: f64 = 100_000.0;

/// What models cost. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Catalog {
    own: Arc<[Entry]>,
    built_in: bool,
}

#[derive(Debug)]
struct Entry {
    provider: Option<Box<str>>,
    model: Pattern,
    price: Price,
}

impl Default for Catalog {
    /// The built-in prices alone.
    fn default() -> Self {
        Self {
            own: Arc::default(),
            built_in: true,
        }
    }
}

impl Catalog {
    /// A catalog of these prices, and behind them the built-in ones if `built_in` says so.
    ///
    /// # Errors
    ///
    /// When a model's name is no pattern, an amount is negative or absurd, or tiers are not in order. Places are
    /// relative to the list.
    pub fn new(own: &[ModelPrice], built_in: bool) -> Result<Self, ConfigError> {
        let entries = own.iter().enumerate().map(|(index, written)| {
            entry(written).map_err(|e| e.under(&Pointer::root().index(index)))
        });
        Ok(Self {
            own: entries.collect::<Result<_, _>>()?,
            built_in,
        })
    }
}

impl Prices for Catalog {
    fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let fits = |entry: &&Entry| {
            let named = entry.provider.as_deref();
            named.is_none_or(|named| provider.is_empty() || named == provider)
                && entry.model.matched(model).is_some()
        };
        if let Some(entry) = self.own.iter().find(fits) {
            return Some(entry.price.clone());
        }
        self.built_in.then(|| match provider {
            "" => table::find_any(model),
            provider => table::find(provider, model),
        })?
    }
}

fn entry(written: &ModelPrice) -> Result<Entry, ConfigError> {
    let root = Pointer::root();
    let model = Pattern::parse(&written.model)
        .map_err(|e| ConfigError::new(root.key("model"), e.to_string()))?;
    let rates = rates(
        [written.input, written.output],
        [written.cache_read, written.cache_write],
        &root,
    )?;
    let mut tiers: Vec<(u64, Rates)> = Vec::with_capacity(written.tiers.len());
    for (index, tier) in written.tiers.iter().enumerate() {
        let at = root.key("tiers").index(index);
        if tiers.last().is_some_and(|(above, _)| *above >= tier.above) {
            let what = "tiers go from the shortest calls to the longest";
            return Err(ConfigError::new(at.key("above"), what));
        }
        let amounts = [tier.input, tier.output];
        let cached = [tier.cache_read, tier.cache_write];
        tiers.push((tier.above, self::rates(amounts, cached, &at)?));
    }
    Ok(Entry {
        provider: written.provider.as_deref().map(Into::into),
        model,
        price: Price { rates, tiers },
    })
}

fn rates(
    [input, output]: [f64; 2],
    [cache_read, cache_write]: [Option<f64>; 2],
    at: &Pointer,
) -> Result<Rates, ConfigError> {
    let maybe = |key, amount: Option<f64>| amount.map(|a| each(key, a, at)).transpose();
    Ok(Rates {
        input: each("input", input, at)?,
        output: each("output", output, at)?,
        cache_read: maybe("cacheRead", cache_read)?,
        cache_write: maybe("cacheWrite", cache_write)?,
    })
}

/// What one token costs, at so many dollars for a million.
fn each(key: &str, dollars: f64, at: &Pointer) -> Result<Money, ConfigError> {
    if !(0.0..=MAX_DOLLARS).contains(&dollars) {
        let what = format!("a price is between 0 and {MAX_DOLLARS} US dollars per million tokens");
        return Err(ConfigError::new(at.key(key), what));
    }
    Ok(Money::from_picodollars((dollars * 1e6).round() as u64))
}

#[cfg(test)]
mod tests {
    use portcullis_core::context::Tokens;
    use serde_json::json;

    use super::*;

    fn catalog(own: serde_json::Value) -> Result<Catalog, ConfigError> {
        let own: Vec<ModelPrice> = serde_json::from_value(own).unwrap();
        Catalog::new(&own, true)
    }

    #[test]
    fn ones_own_prices_come_before_those_built_in_and_the_first_that_fits_counts() {
        let own = catalog(json!([
            {"provider": "openai", "model": "gpt-5-mini", "input": 0.1},
            {"model": "gpt-*", "input": 7, "output": 8, "cacheRead": 0},
        ]));
        let own = own.unwrap();
        let million = Tokens::new(1_000_000, 0);
        let of = |provider, model| {
            own.price(provider, model)
                .map(|p| p.of(million).to_string())
        };
        assert_eq!(of("openai", "gpt-5-mini").as_deref(), Some("0.1"));
        assert_eq!(of("azure", "gpt-5-mini").as_deref(), Some("7"));
        assert_eq!(of("anthropic", "claude-haiku-4-5").as_deref(), Some("1"));
        assert_eq!(of("", "claude-haiku-4-5").as_deref(), Some("1"));
        assert_eq!(of("nimbus", "cloud-1"), None);
    }

    #[test]
    fn what_is_no_price_is_told_with_its_place() {
        for (entry, at) in [
            (json!({"model": "a", "input": -1}), "/0/input"),
            (
                json!({"model": "a", "input": 1, "cacheRead": 1e9}),
                "/0/cacheRead",
            ),
            (json!({"model": "a*b", "input": 1}), "/0/model"),
            (
                json!({"model": "a", "input": 1, "tiers": [{"above": 9, "input": 1}, {"above": 9, "input": 2}]}),
                "/0/tiers/1/above",
            ),
        ] {
            let e = catalog(json!([entry])).unwrap_err();
            assert_eq!(e.at.to_string(), at, "{e}");
        }
    }

    #[test]
    fn without_the_built_in_prices_others_are_unknown() {
        let none = Catalog::new(&[], false).unwrap();
        assert_eq!(none.price("openai", "gpt-5-mini"), None);
    }
}
