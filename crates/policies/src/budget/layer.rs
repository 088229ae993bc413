//! Which budgets calls keep to.

use std::sync::Arc;

use tower_layer::Layer;

use super::Budget;
use crate::codes;
use crate::ledger::{Limit, Limits, Refusal};

/// Keeps calls to budgets. Clones share the counts.
#[derive(Clone, Debug)]
pub struct BudgetLayer(pub(super) Arc<Limits>);

impl BudgetLayer {
    /// Keeps calls to all of these, which are usually of a day or month. `reserve_output` tokens are reserved for
    /// a call that does not say how many it wants, and at most as many for one that does. Calls whose tokens
    /// nobody knows are refused, unless `unmodelled`.
    pub fn new(
        limits: impl IntoIterator<Item = Limit>,
        reserve_output: u64,
        unmodelled: bool,
    ) -> Self {
        Self(Arc::new(Limits {
            all: limits.into_iter().map(Arc::new).collect(),
            refusal: Refusal {
                code: &codes::BUDGET_EXCEEDED,
                what: "budget",
            },
            reserve_output,
            unmodelled,
        }))
    }
}

impl<S> Layer<S> for BudgetLayer {
    type Service = Budget<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Budget::new(inner, self.clone())
    }
}
