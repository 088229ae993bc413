//! The end of the line: how soon an endpoint answers, as a moving mean and as a distribution.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Eight buckets for each doubling, from 1 ms on: a quantile is right to about 9 %.
const PER_DOUBLING: u32 = 8;
const BUCKETS: usize = 22 * PER_DOUBLING as usize;
/// How long one half of the distribution is filled before the other is emptied and filled in its place.
const HALF: Duration = Duration::from_secs(60);
/// Below so many observations there is no quantile.
const ENOUGH: u32 = 20;

/// Times to the first content (or of the whole reply where that is one piece) of one endpoint.
#[derive(Debug)]
pub struct Latency {
    since: Instant,
    /// Microseconds; 0 before the first observation.
    mean: AtomicU64,
    halves: [Half; 2],
    /// The last span of [`HALF`] in which something was observed.
    span: AtomicU64,
}

#[derive(Debug)]
struct Half {
    counts: [AtomicU32; BUCKETS],
}

impl Latency {
    /// Nothing observed.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            mean: AtomicU64::new(0),
            halves: [Half::new(), Half::new()],
            span: AtomicU64::new(0),
        }
    }

    /// Takes in one time.
    pub fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let mean = self.mean.load(Relaxed);
        let next = match mean {
            0 => micros,
            mean => mean - mean / 8 + micros / 8,
        };
        self.mean.store(next.max(1), Relaxed);
        self.turn();
        let half = &self.halves[self.span.load(Relaxed) as usize % 2];
        half.counts[bucket(micros)].fetch_add(1, Relaxed);
    }

    /// The moving mean; none before the first observation.
    pub fn mean(&self) -> Option<Duration> {
        match self.mean.load(Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }

    /// The time below which the share `q` (0 to 1) of the last one to two minutes' observations was; none if
    /// there were fewer than 20.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        self.turn();
        let count =
            |at: usize| -> u32 { self.halves.iter().map(|h| h.counts[at].load(Relaxed)).sum() };
        let total: u32 = (0..BUCKETS).map(count).sum();
        if total < ENOUGH {
            return None;
        }
        let wanted = (f64::from(total) * q.clamp(0.0, 1.0)).ceil() as u32;
        let mut seen = 0;
        let found = (0..BUCKETS).find(|at| {
            seen += count(*at);
            seen >= wanted
        });
        Some(upper(found.unwrap_or(BUCKETS - 1)))
    }

    /// Empties the half whose time has come.
    fn turn(&self) {
        let now = (self.since.elapsed().as_secs()) / HALF.as_secs();
        let last = self.span.swap(now, Relaxed);
        if now == last {
            return;
        }
        self.halves[now as usize % 2].clear();
        if now > last + 1 {
            self.halves[last as usize % 2].clear();
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Half {
    fn new() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }

    fn clear(&self) {
        for count in &self.counts {
            count.store(0, Relaxed);
        }
    }
}

fn bucket(micros: u64) -> usize {
    let millis = micros as f64 / 1000.0;
    if millis < 1.0 {
        return 0;
    }
    let at = (millis.log2() * f64::from(PER_DOUBLING)) as usize;
    at.min(BUCKETS - 1)
}

/// The upper end of a bucket.
fn upper(bucket: usize) -> Duration {
    let millis = ((bucket + 1) as f64 / f64::from(PER_DOUBLING)).exp2();
    Duration::from_secs_f64(millis / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_quantile_is_right_to_a_tenth() {
        let latency = Latency::new();
        for n in 1..=1000 {
            latency.note(n * MS);
        }
        for (q, truth) in [(0.5, 500.0), (0.9, 900.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = latency.quantile(q).unwrap().as_secs_f64() * 1000.0;
            assert!((found / truth - 1.0).abs() < 0.1, "{q}: {found}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_is_forgotten() {
        let latency = Latency::new();
        for _ in 0..100 {
            latency.note(10 * MS);
        }
        tokio::time::sleep(HALF).await;
        assert!(latency.quantile(0.5).is_some(), "still in the other half");
        tokio::time::sleep(HALF).await;
        assert_eq!(latency.quantile(0.5), None);
    }

    #[tokio::test(start_paused = true)]
    async fn few_observations_make_no_quantile_and_the_mean_follows() {
        let latency = Latency::new();
        assert_eq!(latency.mean(), None);
        latency.note(80 * MS);
        assert_eq!(latency.mean(), Some(80 * MS));
        latency.note(160 * MS);
        assert_eq!(latency.mean(), Some(90 * MS));
        assert_eq!(latency.quantile(0.5), None);
        latency.note(Duration::MAX);
        latency.note(Duration::ZERO);
        assert!(latency.mean().is_some(), "no overflow");
    }
}
