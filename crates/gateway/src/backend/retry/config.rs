//! Before the request line: which plain HTTP calls are tried again, as configuration writes it.

use portcullis_core::attempt::{BudgetConfig, Retry, RetryConfig};
use portcullis_core::config::{ByteSize, Duration};
use schemars::JsonSchema;
use serde::Deserialize;

/// Further attempts at a call of plain HTTP, at another endpoint, or at the same one after a pause.
///
/// A call to which no connection could be made is tried again whatever its method. A call that may have
/// reached the upstream only with one of `methods`, and a reply only with one of `codes`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRetryConfig {
    /// The statuses that are tried again. Default: 502, 503, 504.
    pub codes: Vec<u16>,
    /// The methods that may be sent twice. Default: the idempotent ones (RFC 9110 §9.2.2): `GET`, `HEAD`,
    /// `OPTIONS`, `PUT`, `DELETE`.
    pub methods: Vec<String>,
    /// The largest body that is held to be sent again. A larger one, and one whose length is not told, is sent as
    /// it comes, and once. Default: 1 MiB.
    pub max_body_bytes: ByteSize,
    /// How many there are after the first, 0 to 10. Default: 2.
    pub attempts: u32,
    /// The pause before an endpoint that failed is asked again; twice as long each further time, and of
    /// random length between half of it and all of it. Default: 100 ms.
    pub backoff: Duration,
    /// The longest pause. Default: 2 s.
    pub max_backoff: Duration,
    /// The longest `retry-after` that is waited for within a call. Default: 5 s.
    pub max_retry_after: Duration,
    /// How often endpoints that failed may be asked again, all calls together.
    pub budget: BudgetConfig,
}

impl Default for HttpRetryConfig {
    fn default() -> Self {
        let RetryConfig {
            attempts,
            backoff,
            max_backoff,
            max_retry_after,
            budget,
        } = RetryConfig::default();
        let methods = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
        Self {
            codes: vec![502, 503, 504],
            methods: methods.map(String::from).to_vec(),
            max_body_bytes: ByteSize::mib(1),
            attempts,
            backoff,
            max_backoff,
            max_retry_after,
            budget,
        }
    }
}

impl HttpRetryConfig {
    pub(super) fn retry(&self) -> Result<Retry, (&'static str, &'static str)> {
        RetryConfig {
            attempts: self.attempts,
            backoff: self.backoff,
            max_backoff: self.max_backoff,
            max_retry_after: self.max_retry_after,
            budget: self.budget,
        }
        .retry()
    }
}
