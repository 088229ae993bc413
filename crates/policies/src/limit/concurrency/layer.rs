//! How many places there are.

use std::sync::Arc;

use portcullis_core::expr::Cel;
use tower_layer::Layer;

use super::Concurrency;
use crate::codes;
use crate::ledger::{Limit, Limits, MAX_KEYS, Measure, Quota, Refusal, Table, Window};

/// Bounds the calls in flight. Clones, and the services they make, share the places.
#[derive(Clone, Debug)]
pub struct ConcurrencyLayer {
    max: u64,
    key: Option<Cel>,
    table: Arc<Table>,
}

impl ConcurrencyLayer {
    /// At most so many calls at once.
    pub fn new(max: u64) -> Self {
        Self {
            max,
            key: None,
            table: Arc::new(Table::new(MAX_KEYS)),
        }
    }

    /// As many for each value of `key`.
    #[must_use]
    pub fn key(mut self, key: Cel) -> Self {
        self.key = Some(key);
        self
    }

    /// Counts in this table, which others may share.
    #[must_use]
    pub fn table(mut self, table: Arc<Table>) -> Self {
        self.table = table;
        self
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = Concurrency<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let quota = Quota::new(self.max, Window::Held);
        let limit = Limit::new(Measure::Calls, quota).table(self.table.clone());
        let limit = match &self.key {
            Some(key) => limit.key(key.clone()),
            None => limit,
        };
        let limits = Limits {
            all: vec![Arc::new(limit)],
            refusal: Refusal {
                code: &codes::TOO_MANY_CALLS,
                what: "limit",
            },
            reserve_output: 0,
            unmodelled: true,
        };
        Concurrency::new(inner, Arc::new(limits))
    }
}
