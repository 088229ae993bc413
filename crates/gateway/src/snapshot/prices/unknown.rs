//! Before the request line: a program without providers pays nobody.

use std::sync::Arc;

use portcullis_core::config::{ConfigError, Pointer, Prices};
use portcullis_core::context::{self, Price};

/// Knows no price.
#[derive(Debug)]
struct Nothing;

impl context::Prices for Nothing {
    fn price(&self, _: &str, _: &str) -> Option<Price> {
        None
    }
}

/// Refuses: there is nothing that could be paid for.
pub(in crate::snapshot) fn load(_: &Prices) -> Result<Arc<dyn context::Prices>, ConfigError> {
    let what = "this program was built without providers, and so without prices";
    Err(ConfigError::new(Pointer::root(), what))
}

/// No prices.
pub(in crate::snapshot) fn published() -> Arc<dyn context::Prices> {
    Arc::new(Nothing)
}
