//! Beside the line: counts and distributions of calls, in OpenTelemetry's names as Prometheus spells them.

mod config;
mod labels;
mod tally;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::listener::{ConnectionCounters, NotAfter};

pub use config::ConfigMetrics;
use labels::{
    AttemptLabels, CallLabels, CostLabels, FirstTokenLabels, ListenerLabels, OperationLabels,
    RequestLabels, TokenLabels, UsageLabels,
};
pub(super) use tally::Tally;

/// The content type of [`Metrics::encode`]: OpenMetrics text, which Prometheus reads.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The most combinations of labels told apart for calls, for attempts and for first tokens. What comes
/// later is counted under the label `other`.
pub const MAX_LABEL_SETS: usize = 1000;

/// Seconds an LLM call may take: OpenTelemetry's advice for `gen_ai.client.operation.duration`, and beyond.
const OPERATION: [f64; 16] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
    327.68,
];
/// Seconds an HTTP request may take: OpenTelemetry's advice, and longer ones for streams.
const REQUEST: [f64; 18] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
    120.0, 300.0,
];
/// Seconds until the first token: OpenTelemetry's advice, and longer ones for models that think first.
const FIRST_TOKEN: [f64; 18] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0,
];
/// Tokens of one attempt: OpenTelemetry's advice.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The metrics of a gateway. Clones share them. Nothing is global: two gateways count apart.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    config: ConfigMetrics,
    dropped: Counter,
    log_failures: Counter,
}

#[derive(Clone)]
struct Families {
    calls: Family<CallLabels, Counter>,
    requests: Family<RequestLabels, Histogram>,
    attempts: Family<AttemptLabels, Counter>,
    operations: Family<OperationLabels, Histogram>,
    usage: Family<UsageLabels, Histogram>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<CostLabels, Counter<f64, AtomicU64>>,
    unpriced: Family<CostLabels, Counter>,
    first_token: Family<FirstTokenLabels, Histogram>,
    open: Family<ListenerLabels, Gauge>,
    accepted: Family<ListenerLabels, Counter>,
    full: Family<ListenerLabels, Counter>,
    failed: Family<ListenerLabels, Counter>,
    cut: Family<ListenerLabels, Counter>,
    refused: Family<ListenerLabels, Counter>,
    malformed: Family<ListenerLabels, Counter>,
    not_after: NotAfter,
}

impl Metrics {
    /// Registers the gateway's metrics beside what `registry` already holds. Its prefix and labels apply.
    pub fn new(mut registry: Registry) -> Self {
        let families = Families::new();
        families.register_calls(&mut registry);
        families.register_tokens(&mut registry);
        families.register_connections(&mut registry);
        let config = ConfigMetrics::default();
        config.register(&mut registry);
        let (dropped, log_failures) = (Counter::default(), Counter::default());
        registry.register(
            "portcullis_records_dropped",
            "Records of calls lost because too many were waiting to be handled",
            dropped.clone(),
        );
        registry.register(
            "portcullis_access_log_failures",
            "Writes to the access log that failed, losing their lines",
            log_failures.clone(),
        );
        Self(Arc::new(Inner {
            registry,
            families,
            config,
            dropped,
            log_failures,
        }))
    }

    /// All metrics, as text of the type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.0.registry).expect("a string takes any text");
        page
    }

    /// The counters of the listener of this name. The same name gives the same counters.
    pub fn connections(&self, listener: &Arc<str>) -> ConnectionCounters {
        let families = &self.0.families;
        let labels = ListenerLabels {
            listener: listener.clone(),
        };
        ConnectionCounters {
            open: families.open.get_or_create_owned(&labels),
            accepted: families.accepted.get_or_create_owned(&labels),
            full: families.full.get_or_create_owned(&labels),
            failed: families.failed.get_or_create_owned(&labels),
            cut: families.cut.get_or_create_owned(&labels),
            refused: families.refused.get_or_create_owned(&labels),
            malformed: families.malformed.get_or_create_owned(&labels),
            not_after: families.not_after.clone(),
        }
    }

    /// What is counted of changes of the configuration.
    pub fn config(&self) -> &ConfigMetrics {
        &self.0.config
    }

    pub(super) fn records_dropped(&self) -> Counter {
        self.0.dropped.clone()
    }
}

impl Default for Metrics {
    /// Metrics in a registry of their own.
    fn default() -> Self {
        Self::new(Registry::default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Families {
    fn new() -> Self {
        Self {
            calls: Family::default(),
            requests: Family::new_with_constructor(|| Histogram::new(REQUEST)),
            attempts: Family::default(),
            operations: Family::new_with_constructor(|| Histogram::new(OPERATION)),
            usage: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            tokens: Family::default(),
            cost: Family::default(),
            unpriced: Family::default(),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN)),
            open: Family::default(),
            accepted: Family::default(),
            full: Family::default(),
            failed: Family::default(),
            cut: Family::default(),
            refused: Family::default(),
            malformed: Family::default(),
            not_after: NotAfter::default(),
        }
    }

    fn register_calls(&self, registry: &mut Registry) {
        registry.register(
            "portcullis_calls",
            "Calls that have ended, by how",
            self.calls.clone(),
        );
        registry.register(
            "portcullis_attempts",
            "Attempts at endpoints that have ended, by how",
            self.attempts.clone(),
        );
        registry.register_with_unit(
            "http_server_request_duration",
            "From a request's start to the end of its reply",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register_with_unit(
            "gen_ai_client_operation_duration",
            "From the start of an attempt at a model to the end of its reply",
            Unit::Seconds,
            self.operations.clone(),
        );
    }

    fn register_tokens(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "gen_ai_server_time_to_first_token",
            "From a call's start to the first content of its reply",
            Unit::Seconds,
            self.first_token.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of one attempt at a model, by type",
            self.usage.clone(),
        );
        registry.register(
            "portcullis_tokens",
            "Tokens used, by type; cached ones are part of the input, reasoning of the output",
            self.tokens.clone(),
        );
        registry.register(
            "portcullis_cost_usd",
            "What attempts cost whose price is known, in US dollars",
            self.cost.clone(),
        );
        registry.register(
            "portcullis_unpriced_attempts",
            "Attempts that used tokens of a model whose price is not known",
            self.unpriced.clone(),
        );
    }

    fn register_connections(&self, registry: &mut Registry) {
        registry.register(
            "portcullis_connections_open",
            "Connections of clients open now",
            self.open.clone(),
        );
        registry.register(
            "portcullis_connections_accepted",
            "Connections of clients accepted",
            self.accepted.clone(),
        );
        registry.register(
            "portcullis_connections_full",
            "Times a listener stopped accepting because too many connections were open",
            self.full.clone(),
        );
        registry.register(
            "portcullis_connections_failed",
            "Connections that could not be accepted, as when file descriptors run out",
            self.failed.clone(),
        );
        registry.register(
            "portcullis_connections_cut",
            "Connections cut at the end of a shutdown's grace period",
            self.cut.clone(),
        );
        registry.register(
            "portcullis_connections_refused",
            "Connections closed before their first request, as by a failed TLS handshake",
            self.refused.clone(),
        );
        registry.register(
            "portcullis_connections_malformed",
            "Connections ended because what the client sent is not HTTP",
            self.malformed.clone(),
        );
        self.not_after.register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedders_own_metrics_stand_beside_the_gateways() {
        let mut registry = Registry::default();
        let own: Counter = Counter::default();
        registry.register("own", "An own one", own.clone());
        let metrics = Metrics::new(registry);
        own.inc();
        metrics.connections(&"web".into()).open.inc();
        metrics.connections(&"web".into()).open.inc();
        let page = metrics.encode();
        assert!(page.contains("\nown_total 1\n"), "{page}");
        let open = "\nportcullis_connections_open{listener=\"web\"} 2\n";
        assert!(page.contains(open), "{page}");
        assert!(page.ends_with("# EOF\n"), "{page}");
    }
}
