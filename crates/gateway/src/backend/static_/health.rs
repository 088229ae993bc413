//! The end of the line: whether an endpoint is fit to be called, learnt from the calls made to it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::HealthConfig;

/// When an endpoint is taken out, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) failures: u32,
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl From<&HealthConfig> for Patience {
    fn from(config: &HealthConfig) -> Self {
        Self {
            failures: config.consecutive_failures,
            first: config.eject_for.get(),
            longest: config.max_eject_for.get(),
        }
    }
}

/// What is known of one endpoint. A call that succeeds where nothing has failed writes nothing.
#[derive(Debug)]
pub(super) struct Health {
    since: Instant,
    /// Failures in a row.
    streak: AtomicU32,
    /// Nanoseconds after `since`; 0 when it is in.
    out_until: AtomicU64,
    /// Times it was taken out in a row.
    times: AtomicU32,
    probed: AtomicBool,
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes calls.
    In,
    /// It takes none.
    Out,
    /// Its time is over: it takes one, to see.
    Due,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            streak: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            times: AtomicU32::new(0),
            probed: AtomicBool::new(false),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match self.out_until.load(Relaxed) {
            0 => Standing::In,
            until if until > self.now() || self.probed.load(Relaxed) => Standing::Out,
            _ => Standing::Due,
        }
    }

    /// Whether the last call to it failed.
    pub(super) fn falters(&self) -> bool {
        self.streak.load(Relaxed) > 0
    }

    /// Takes the one place there is for a probe.
    pub(super) fn probe(&self) -> bool {
        !self.probed.swap(true, Relaxed)
    }

    /// Gives it back.
    pub(super) fn probe_ended(&self) {
        self.probed.store(false, Relaxed);
    }

    /// Notes a success; tells whether the endpoint came back by it.
    pub(super) fn succeeded(&self) -> bool {
        if self.streak.load(Relaxed) != 0 {
            self.streak.store(0, Relaxed);
        }
        if self.out_until.load(Relaxed) == 0 {
            return false;
        }
        self.times.store(0, Relaxed);
        self.out_until.swap(0, Relaxed) != 0
    }

    /// Notes a failure; tells for how long the endpoint is out, if this took it out. A failed `probe` does.
    pub(super) fn failed(&self, patience: Patience, probe: bool) -> Option<Duration> {
        let streak = self.streak.fetch_add(1, Relaxed).saturating_add(1);
        let enough = patience.failures > 0 && streak >= patience.failures;
        let is_in = self.out_until.load(Relaxed) == 0;
        if !(probe || is_in && enough) {
            return None;
        }
        let times = self.times.fetch_add(1, Relaxed);
        let growth = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        let out = patience.first.saturating_mul(growth).min(patience.longest);
        let until = self.now().saturating_add(nanos(out)).max(1);
        self.out_until.store(until, Relaxed);
        self.streak.store(0, Relaxed);
        Some(out)
    }

    fn now(&self) -> u64 {
        nanos(self.since.elapsed())
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        failures: 3,
        first: Duration::from_secs(10),
        longest: Duration::from_secs(35),
    };

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_take_it_out_for_longer_each_time() {
        let health = Health::new();
        assert_eq!(health.failed(PATIENCE, false), None);
        assert_eq!(health.failed(PATIENCE, false), None);
        health.succeeded();
        assert_eq!(health.failed(PATIENCE, false), None);
        assert_eq!(health.failed(PATIENCE, false), None);
        let mut out = health.failed(PATIENCE, false);
        for seconds in [10, 20, 35, 35] {
            assert_eq!(out, Some(Duration::from_secs(seconds)));
            assert_eq!(health.standing(), Standing::Out);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(health.standing(), Standing::Due);
            assert!(health.probe() && !health.probe(), "one at a time");
            assert_eq!(health.standing(), Standing::Out);
            out = health.failed(PATIENCE, true);
            health.probe_ended();
        }
        assert!(health.succeeded() && !health.succeeded());
        assert_eq!(health.standing(), Standing::In);
        health.failed(PATIENCE, false);
        health.failed(PATIENCE, false);
        assert_eq!(health.failed(PATIENCE, false), Some(PATIENCE.first));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_taken_out_where_that_is_switched_off() {
        let health = Health::new();
        let patience = Patience {
            failures: 0,
            ..PATIENCE
        };
        assert!((0..100).all(|_| health.failed(patience, false).is_none()));
    }
}
