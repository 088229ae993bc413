//! Beside the first stretch of the line: certificates that are about to end.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::Certificates;
use crate::listener::handle::Shared;

/// The seconds of a day.
pub(in crate::listener) const DAY: i64 = 86_400;
/// How soon before its end a certificate is warned of, in seconds, the last warning first.
const SOON: [i64; 4] = [0, DAY, 7 * DAY, 30 * DAY];
/// How often certificates are looked at. Not less often, since the clock on the wall can jump.
const PERIOD: Duration = Duration::from_secs(600);

/// When the certificates of listeners end, as a metric. Clones share it.
///
/// It has a value for each certificate of the present configuration and no others.
#[derive(Clone, Default)]
pub struct NotAfter(Family<Labels, Gauge>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    listener: Arc<str>,
    certificate: Arc<str>,
}

impl NotAfter {
    /// The metric itself, to be registered.
    pub(crate) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register(
            "portcullis_certificate_not_after_seconds",
            "When a certificate of a listener ends to hold, in unix time",
            self.0.clone(),
        );
    }
}

impl fmt::Debug for NotAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotAfter")
    }
}

/// A certificate that ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::listener) struct Warning {
    listener: Arc<str>,
    certificate: Arc<str>,
    /// Seconds left; none or fewer once it has ended.
    left: i64,
}

impl Warning {
    fn log(&self) {
        let (listener, certificate) = (&*self.listener, &*self.certificate);
        if self.left <= 0 {
            tracing::error!(listener, certificate, "the certificate has expired");
        } else {
            let days = self.left / DAY;
            tracing::warn!(listener, certificate, days, "the certificate expires soon");
        }
    }
}

/// The time of day, in unix seconds.
pub(in crate::listener) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Keeps `metric` true and warns, for as long as it is polled.
pub(in crate::listener) async fn watch(shared: &Shared, metric: &NotAfter) -> Infallible {
    watch_by(now, shared, metric, |warning| warning.log()).await
}

pub(super) async fn watch_by(
    now: impl Fn() -> i64,
    shared: &Shared,
    metric: &NotAfter,
    mut tell: impl FnMut(Warning),
) -> Infallible {
    let mut watcher = Watcher::new(metric);
    loop {
        let changed = shared.changed.notified();
        let sites = shared.sites.load_full();
        for warning in watcher.look(sites.certificates(), now()) {
            tell(warning);
        }
        drop(sites);
        // It ends early when the certificates are others.
        let _ = tokio::time::timeout(PERIOD, changed).await;
    }
}

/// What has been warned of, and what the metric holds.
struct Watcher<'a> {
    metric: &'a NotAfter,
    shown: HashSet<Labels>,
    /// The last warning of each certificate, as a place in [`SOON`], by listener and fingerprint.
    warned: HashMap<(Arc<str>, [u8; 32]), usize>,
}

impl<'a> Watcher<'a> {
    fn new(metric: &'a NotAfter) -> Self {
        Self {
            metric,
            shown: HashSet::new(),
            warned: HashMap::new(),
        }
    }

    fn look<'s>(
        &mut self,
        listeners: impl Iterator<Item = (&'s Arc<str>, &'s Certificates)>,
        now: i64,
    ) -> Vec<Warning> {
        let (mut shown, mut warned, mut warnings) = (HashSet::new(), HashMap::new(), Vec::new());
        for (listener, certificates) in listeners {
            for certificate in certificates.iter() {
                let labels = Labels {
                    listener: listener.clone(),
                    certificate: certificate.label.clone(),
                };
                let (_, end) = certificate.validity;
                self.metric.0.get_or_create(&labels).set(end);
                shown.insert(labels);
                let left = end - now;
                let Some(level) = SOON.iter().position(|soon| left <= *soon) else {
                    continue;
                };
                let key = (listener.clone(), certificate.fingerprint);
                if self.warned.get(&key).is_none_or(|last| level < *last) {
                    warnings.push(Warning {
                        listener: listener.clone(),
                        certificate: certificate.label.clone(),
                        left,
                    });
                }
                warned.insert(key, level);
            }
        }
        self.warned = warned;
        self.show(shown);
        warnings
    }

    fn show(&mut self, now: HashSet<Labels>) {
        for gone in self.shown.difference(&now) {
            self.metric.0.remove(gone);
        }
        self.shown = now;
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.show(HashSet::new());
    }
}
