//! Where records go when several want them.

use std::sync::Arc;

use portcullis_core::context::{Exchange, ExchangeSink};

/// All sinks as one; `None` when there are none, so that nothing is kept for nobody.
pub(super) fn join(mut sinks: Vec<Arc<dyn ExchangeSink>>) -> Option<Arc<dyn ExchangeSink>> {
    let last = sinks.pop()?;
    if sinks.is_empty() {
        return Some(last);
    }
    Some(Arc::new(All { sinks, last }))
}

/// Gives every sink each record: copies, and the last the record itself.
struct All {
    sinks: Vec<Arc<dyn ExchangeSink>>,
    last: Arc<dyn ExchangeSink>,
}

impl ExchangeSink for All {
    fn record(&self, exchange: Box<Exchange>) {
        for sink in &self.sinks {
            sink.record(exchange.clone());
        }
        self.last.record(exchange);
    }
}
