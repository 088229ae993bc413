//! What a call costs: tokens by the price of a model.

use std::fmt;
use std::iter::Sum;

use super::Tokens;

/// An amount of money in US dollars, exact to a millionth of a millionth: what one token costs is a whole
/// number of these, and a sum of calls adds up to the cent.
///
/// `Display` writes dollars, with as many digits as there are: `0.00125`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u64);

/// Of these one dollar is made.
const PER_DOLLAR: u64 = 1_000_000_000_000;

impl Money {
    /// An amount in millionths of a millionth of a dollar.
    pub const fn from_picodollars(amount: u64) -> Self {
        Self(amount)
    }

    /// The amount in millionths of a millionth of a dollar.
    pub const fn picodollars(self) -> u64 {
        self.0
    }

    /// The amount in dollars, rounded to the nearest `f64`.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PER_DOLLAR as f64
    }

    /// The sum; at some eighteen million dollars it stops growing.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Self::plus)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / PER_DOLLAR, self.0 % PER_DOLLAR);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// What a token of each kind costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// A token of input that was not read from a cache.
    pub input: Money,
    /// A token of output, reasoning included.
    pub output: Money,
    /// A token of input read from the provider's cache. Default: as any of input.
    pub cache_read: Option<Money>,
    /// A token of input written to the provider's cache. Default: as any of input.
    pub cache_write: Option<Money>,
}

/// The price of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// What a token costs.
    pub rates: Rates,
    /// Other rates for calls whose input is longer than so many tokens, the shortest first. They hold for the
    /// whole of such a call.
    pub tiers: Vec<(u64, Rates)>,
}

impl Price {
    /// What these tokens cost.
    ///
    /// ```
    /// use portcullis_core::context::{Money, Price, Rates, Tokens};
    ///
    /// let dollars_per_million = |dollars: u64| Money::from_picodollars(dollars * 1_000_000);
    /// let price = Price {
    ///     rates: Rates {
    ///         input: dollars_per_million(3),
    ///         output: dollars_per_million(15),
    ///         ..Rates::default()
    ///     },
    ///     tiers: Vec::new(),
    /// };
    /// assert_eq!(price.of(Tokens::new(1000, 200)).to_string(), "0.006");
    /// ```
    pub fn of(&self, tokens: Tokens) -> Money {
        let beyond = |(above, _): &&(u64, Rates)| tokens.input > *above;
        let tier = self.tiers.iter().rev().find(beyond);
        let rates = tier.map_or(&self.rates, |(_, rates)| rates);
        let cached = tokens.cache_read.saturating_add(tokens.cache_write);
        [
            (tokens.input.saturating_sub(cached), rates.input),
            (tokens.cache_read, rates.cache_read.unwrap_or(rates.input)),
            (tokens.cache_write, rates.cache_write.unwrap_or(rates.input)),
            (tokens.output, rates.output),
        ]
        .into_iter()
        .map(|(count, Money(each))| Money(each.saturating_mul(count)))
        .sum()
    }
}

/// What models cost: a catalogue, or an embedder's own.
pub trait Prices: fmt::Debug + Send + Sync + 'static {
    /// The price of a model of a provider, by the names they are asked for; `None` when it is not known, which
    /// is not the same as free. An empty provider is one not chosen yet: then the price is that of any provider
    /// that has a model of the name.
    fn price(&self, provider: &str, model: &str) -> Option<Price>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates(input: u64, output: u64) -> Rates {
        Rates {
            input: Money(input),
            output: Money(output),
            ..Rates::default()
        }
    }

    #[test]
    fn cached_tokens_cost_their_own_price_and_are_not_paid_for_twice() {
        let price = Price {
            rates: Rates {
                cache_read: Some(Money(1)),
                cache_write: Some(Money(12)),
                ..rates(10, 100)
            },
            tiers: Vec::new(),
        };
        let tokens = Tokens {
            cache_read: 5,
            cache_write: 3,
            ..Tokens::new(20, 2)
        };
        assert_eq!(price.of(tokens), Money(12 * 10 + 5 + 3 * 12 + 2 * 100));
    }

    #[test]
    fn a_long_call_is_of_the_highest_tier_it_reaches() {
        let price = Price {
            rates: rates(1, 1),
            tiers: vec![(100, rates(2, 2)), (200, rates(3, 3))],
        };
        assert_eq!(price.of(Tokens::new(100, 0)), Money(100));
        assert_eq!(price.of(Tokens::new(101, 0)), Money(202));
        assert_eq!(price.of(Tokens::new(201, 1)), Money(606));
    }

    #[test]
    fn money_is_written_in_dollars() {
        assert_eq!(Money(0).to_string(), "0");
        assert_eq!(Money(2 * PER_DOLLAR).to_string(), "2");
        assert_eq!(Money(1_250_000_000).to_string(), "0.00125");
    }

    proptest! {
        #[test]
        fn no_count_overflows(input: u64, output: u64, read: u64, each: u64) {
            let price = Price { rates: rates(each, each), tiers: Vec::new() };
            let tokens = Tokens { cache_read: read, ..Tokens::new(input, output) };
            prop_assert!(price.of(tokens) <= Money(u64::MAX));
        }
    }
}
