//! Before the request line: prices as they are now, for policies that outlive a change of them.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_core::context::{Price, Prices};

/// The prices last set.
pub(in crate::snapshot) struct CurrentPrices(ArcSwap<Arc<dyn Prices>>);

impl CurrentPrices {
    pub(in crate::snapshot) fn set(&self, prices: Arc<dyn Prices>) {
        self.0.store(Arc::new(prices));
    }
}

impl Default for CurrentPrices {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(super::published()))
    }
}

impl Prices for CurrentPrices {
    fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.0.load().price(provider, model)
    }
}

impl fmt::Debug for CurrentPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentPrices")
    }
}
