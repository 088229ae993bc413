//! A backend: a name and a configuration that make a service of one protocol.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::BuildContext;
use crate::config::ConfigError;
use crate::protocol::{ArcService, Protocol};

/// A kind of backend for protocol `P`: where calls end, or are sent on.
pub trait Backend<P: Protocol>: Send + Sync + 'static {
    /// The key that names it in configuration, in camel case.
    const NAME: &'static str;
    /// Its configuration; unknown keys must be refused.
    type Config: DeserializeOwned + JsonSchema;

    /// Makes the service. Runs while a configuration is built: it is synchronous and reaches no network.
    ///
    /// # Errors
    ///
    /// When the configuration makes no sense; [`BuildContext::error`] says where.
    fn service(
        &self,
        config: Self::Config,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<P>, ConfigError>;
}
