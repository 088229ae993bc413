//! Beside the line: counts of changes of the configuration.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{FingerprintLabels, ReloadLabels};

/// What is counted of changes of the configuration. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct ConfigMetrics {
    reloads: Family<ReloadLabels, Counter>,
    success: Gauge,
    changed: Gauge<f64, AtomicU64>,
    generation: Gauge,
    info: Family<FingerprintLabels, Gauge>,
}

impl ConfigMetrics {
    /// Notes that a configuration serves from now on.
    pub fn serves(&self, generation: u64, fingerprint: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.changed.set(now.unwrap_or_default().as_secs_f64());
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        // One series at a time: the one of the configuration that serves.
        self.info.clear();
        let labels = FingerprintLabels {
            hash: fingerprint.into(),
        };
        self.info.get_or_create_owned(&labels).set(1);
    }

    /// Counts an attempt to load the configuration anew; `result` is `success`, `partial` or `refused`.
    pub fn reloaded(&self, result: &'static str) {
        let labels = ReloadLabels { result };
        self.reloads.get_or_create_owned(&labels).inc();
        self.loaded(result == "success");
    }

    /// Notes whether all that was loaded last is served.
    pub fn loaded(&self, whole: bool) {
        self.success.set(i64::from(whole));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "portcullis_config_reloads",
            "Attempts to load the configuration anew: success, partial (some of it refused), refused",
            self.reloads.clone(),
        );
        registry.register(
            "portcullis_config_last_reload_success",
            "Whether all of the configuration loaded last is served: 1, or 0 while some of it was refused",
            self.success.clone(),
        );
        registry.register_with_unit(
            "portcullis_config_last_reload_success_timestamp",
            "When a configuration last began to serve",
            Unit::Seconds,
            self.changed.clone(),
        );
        registry.register(
            "portcullis_config_generation",
            "How many configurations have served, this one included",
            self.generation.clone(),
        );
        registry.register(
            "portcullis_config_info",
            "The configuration that serves; the same hash is the same configuration",
            self.info.clone(),
        );
    }
}
