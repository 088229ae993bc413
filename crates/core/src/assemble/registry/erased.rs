//! Policies with their configuration types erased.

use serde_json::Value;

use super::super::{BuildContext, Policy};
use crate::config::{ConfigError, decode};
use crate::protocol::{ArcLayer, Protocol};

/// A policy that takes its configuration as a tree.
pub(in crate::assemble) trait AnyPolicy<P: Protocol>: Send + Sync {
    fn layer(&self, body: &Value, cx: &BuildContext<'_>) -> Result<ArcLayer<P>, ConfigError>;
}

impl<P: Protocol, K: Policy<P>> AnyPolicy<P> for K {
    fn layer(&self, body: &Value, cx: &BuildContext<'_>) -> Result<ArcLayer<P>, ConfigError> {
        let config = decode(body, cx.at())?;
        Policy::layer(self, config, cx)
    }
}
