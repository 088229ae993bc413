//! Before the request line: a program without providers pays nobody.

use std::sync::Arc;

use portcullis_core::config::{ConfigError, Pointer, Prices};
use portcullis_core::context;

/// Refuses: there is nothing that could be paid for.
pub(in crate::snapshot) fn load(_: &Prices) -> Result<Arc<dyn context::Prices>, ConfigError> {
    let what = "this program was built without providers, and so without prices";
    Err(ConfigError::new(Pointer::root(), what))
}
