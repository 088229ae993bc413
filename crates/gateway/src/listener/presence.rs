//! The first stretch of the line: under which listener a connection is counted.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::ConnectionCounters;
use super::sites::Site;

/// The counters of a listener by its name.
#[derive(Clone)]
pub(super) struct CountersOf(Arc<Of>);

type Of = dyn Fn(&Arc<str>) -> ConnectionCounters + Send + Sync;

impl CountersOf {
    pub(super) fn new(
        of: impl Fn(&Arc<str>) -> ConnectionCounters + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(of))
    }

    pub(super) fn of(&self, listener: &Arc<str>) -> ConnectionCounters {
        (self.0)(listener)
    }
}

impl fmt::Debug for CountersOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountersOf")
    }
}

/// An open connection, counted until it is dropped.
///
/// Where several listeners share an address it counts under the first of them until it is known which is
/// meant: by the handshake, or else by its first request.
#[derive(Debug)]
pub(super) struct Presence {
    of: CountersOf,
    first: Arc<ConnectionCounters>,
    settled: OnceLock<Arc<ConnectionCounters>>,
}

impl Presence {
    pub(super) fn begin(of: &CountersOf, first: &Site) -> Self {
        let first = first.counters(of).clone();
        first.open.inc();
        Self {
            of: of.clone(),
            first,
            settled: OnceLock::new(),
        }
    }

    /// Counts it under this listener, for good.
    pub(super) fn settle(&self, site: &Site) {
        self.settled.get_or_init(|| {
            let counters = site.counters(&self.of).clone();
            self.first.open.dec();
            counters.open.inc();
            counters.accepted.inc();
            counters
        });
    }

    pub(super) fn counters(&self) -> &ConnectionCounters {
        self.settled.get().unwrap_or(&self.first)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.settled.get().is_none() {
            self.first.accepted.inc();
        }
        self.counters().open.dec();
    }
}
