//! The memory of the gateway over time.

use std::fmt;
use std::io::{Write, stderr};
use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_benches::process::Server;
use tokio::time::{Instant, sleep};

use crate::traffic::Counts;

/// The first part of the time is not judged: what the warm-up held is given back.
const WARM_UP: f64 = 0.1;
/// So much more memory at the end than after the warm-up is a leak, in percent.
const DRIFT: f64 = 5.0;
/// Less than this is no drift but the allocator, in KiB.
const NOISE: f64 = 1_024.0;
const EVERY: Duration = Duration::from_millis(500);
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Samples of resident memory, in KiB.
pub(crate) struct Watch(Vec<u64>);

impl Watch {
    /// Samples until `end`, and tells on stderr how it goes.
    pub(crate) async fn over(server: &Server, end: Instant, counts: &Counts) -> Result<Self> {
        let mut samples = vec![server.memory()?];
        let start = Instant::now();
        let mut told = start;
        while Instant::now() < end {
            sleep(EVERY).await;
            let memory = server.memory()?;
            samples.push(memory);
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                writeln!(
                    stderr(),
                    "{:>6} s: {} healthy calls, {} failed, {:.1} MiB",
                    start.elapsed().as_secs(),
                    counts.good().0,
                    counts.failed(),
                    memory as f64 / 1024.0
                )?;
            }
        }
        Ok(Self(samples))
    }

    /// The medians of the fifth of the time that follows the warm-up, and of the last.
    fn ends(&self) -> (f64, f64) {
        let count = self.0.len();
        let warm = (count as f64 * WARM_UP) as usize;
        let fifth = (count / 5).max(1);
        let median = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part[part.len() / 2] as f64
        };
        let after = &self.0[warm..(warm + fifth).min(count)];
        (median(after), median(&self.0[count - fifth..]))
    }

    fn drift(&self) -> f64 {
        let (after, last) = self.ends();
        (last - after) / after * 100.0
    }

    /// # Errors
    ///
    /// When memory grew by more than it may.
    pub(crate) fn verdict(&self) -> Result<()> {
        let ((after, last), drift) = (self.ends(), self.drift());
        let rests = drift <= DRIFT || last - after < NOISE;
        ensure!(
            rests,
            "memory grew by {drift:.1} %, from {after} to {last} KiB"
        );
        Ok(())
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: f64| kib / 1024.0;
        let (after, last) = self.ends();
        let most = self.0.iter().max().copied().unwrap_or_default();
        writeln!(f, "| memory after the warm-up, MiB | {:.1} |", mib(after))?;
        writeln!(f, "| memory at the end, MiB | {:.1} |", mib(last))?;
        writeln!(f, "| most memory, MiB | {:.1} |", mib(most as f64))?;
        writeln!(f, "| drift | {:.1} % |", self.drift())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_after_the_warm_up_is_drift_and_noise_is_not() {
        let grows = Watch((0..100).map(|n| 20_000 + n * 100).collect());
        assert!(grows.verdict().is_err());
        let warms = Watch((0..100).map(|n| 20_000 + n.min(8) * 400).collect());
        assert!(warms.verdict().is_ok());
        let rests = Watch((0..100).map(|n| 20_000 + n % 7 * 90).collect());
        assert!(rests.verdict().is_ok());
    }
}
