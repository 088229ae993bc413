//! Beside the line: the prices that count at the moment.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use portcullis_core::context::{Price, Prices};

/// A price list that is swapped whole when the configuration changes, so that whoever holds it, a budget or the
/// recorder, counts by the newest. Cloning shares it; it knows nothing until it is set.
#[derive(Clone, Debug, Default)]
pub struct CurrentPrices(Arc<ArcSwapOption<Held>>);

/// A pointer to a list as something an atomic one can point to.
#[derive(Debug)]
struct Held(Arc<dyn Prices>);

impl CurrentPrices {
    /// Counts by these from now on.
    pub fn set(&self, prices: Arc<dyn Prices>) {
        self.0.store(Some(Arc::new(Held(prices))));
    }
}

impl Prices for CurrentPrices {
    fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.0.load().as_ref()?.0.price(provider, model)
    }
}
