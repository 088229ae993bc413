//! What tokens cost.

use std::fmt;

use crate::context::Tokens;

/// An amount of money: billionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// So many billionths of a dollar.
    pub const fn from_nanodollars(amount: u64) -> Self {
        Self(amount)
    }

    /// In billionths of a dollar.
    pub const fn nanodollars(self) -> u64 {
        self.0
    }
}

/// As `$0.0125`: exact, without zeros behind.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let rest = format!("{rest:09}");
        match rest.trim_end_matches('0') {
            "" => write!(f, "${whole}"),
            rest => write!(f, "${whole}.{rest}"),
        }
    }
}

/// A list of prices.
pub trait Prices: fmt::Debug + Send + Sync + 'static {
    /// What these tokens cost of a model, asked of an endpoint: `backend` or `backend/provider`, or nothing
    /// where it is not chosen yet. `None` for a price that is not known, which is not the same as free.
    fn cost(&self, endpoint: &str, model: &str, tokens: &Tokens) -> Option<Money>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_exactly() {
        for (nanodollars, written) in [
            (0, "$0"),
            (12_500_000, "$0.0125"),
            (3_000_000_001, "$3.000000001"),
        ] {
            assert_eq!(Money::from_nanodollars(nanodollars).to_string(), written);
        }
    }
}
