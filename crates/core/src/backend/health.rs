//! The end of the line: whether an endpoint, or a credential, is fit to be used, learnt from its calls.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// When an endpoint is taken out for failing, and for how long.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Patience {
    /// Failures in a row that take it out; 0 for never.
    pub failures: u32,
    /// The share of failures, in percent of the calls of one window, that takes it out; 0 for never.
    pub failure_percent: u32,
    /// How many calls a window must have had for its share to count.
    pub window_calls: u32,
    /// How long a window is.
    pub window: Duration,
    /// How long it is out the first time; twice as long each further time.
    pub first: Duration,
    /// The longest it is out; zero leaves nothing out, whatever happens.
    pub longest: Duration,
    /// From its return, how long its share of the calls grows to the whole.
    pub slow_start: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            failures: 5,
            failure_percent: 50,
            window_calls: 20,
            window: Duration::from_secs(30),
            first: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            slow_start: Duration::from_secs(10),
        }
    }
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes calls.
    In,
    /// Its time out is over: it takes one call, to see.
    Due,
    /// It takes none.
    Out,
}

/// What is known of one endpoint, or of one credential. It is shared by all who use it.
///
/// Out means that it gets no calls until its time is over, and then one at a time, until one succeeds.
#[derive(Debug)]
pub struct Health {
    since: Instant,
    /// Failures in a row.
    streak: AtomicU32,
    window: Window,
    /// Nanoseconds after `since`; 0 when it is in.
    out_until: AtomicU64,
    /// When it was taken out. A call begun before that says nothing of whether it is back.
    out_since: AtomicU64,
    /// When it came back; 0 when it never was out.
    back_since: AtomicU64,
    /// Whether it is out because the upstream asked for it.
    asked: AtomicBool,
    /// Times it was taken out in a row.
    times: AtomicU32,
    probed: AtomicBool,
}

impl Health {
    /// Fit, and nothing known.
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
            streak: AtomicU32::new(0),
            window: Window::default(),
            out_until: AtomicU64::new(0),
            out_since: AtomicU64::new(0),
            back_since: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            times: AtomicU32::new(0),
            probed: AtomicBool::new(false),
        }
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        match self.out_until.load(Relaxed) {
            0 => Standing::In,
            until if until > self.now() || self.probed.load(Relaxed) => Standing::Out,
            _ => Standing::Due,
        }
    }

    /// How long it is out still; zero when it is in or due, and a short while when somebody is looking.
    pub fn out_for(&self) -> Duration {
        let until = self.out_until.load(Relaxed);
        Duration::from_nanos(until.saturating_sub(self.now()))
    }

    /// Whether it is out because the upstream said when to come again.
    pub fn was_asked_to_wait(&self) -> bool {
        self.out_until.load(Relaxed) != 0 && self.asked.load(Relaxed)
    }

    /// Takes the one place there is for a probe.
    pub(super) fn probe(&self) -> bool {
        !self.probed.swap(true, Relaxed)
    }

    /// Gives it back.
    pub(super) fn probe_ended(&self) {
        self.probed.store(false, Relaxed);
    }

    /// The share of its weight it gets, in 1/256, while it is coming back.
    pub(super) fn ramp(&self, patience: &Patience) -> u64 {
        let back = self.back_since.load(Relaxed);
        if back == 0 || patience.slow_start.is_zero() {
            return 256;
        }
        let whole = nanos(patience.slow_start);
        let passed = self.now().saturating_sub(back);
        if passed >= whole {
            self.back_since.store(0, Relaxed);
            return 256;
        }
        // A tenth at once: with nothing, nobody would learn that it copes.
        (u128::from(passed) * 256 / u128::from(whole)).max(26) as u64
    }

    /// Notes a success of a call begun at `begun`; tells whether it came back by it.
    pub(super) fn succeeded(&self, begun: Instant, patience: &Patience) -> bool {
        if self.streak.load(Relaxed) != 0 {
            self.streak.store(0, Relaxed);
        }
        self.window.note(self.now(), patience, false);
        if self.out_until.load(Relaxed) == 0 {
            return false;
        }
        if self.at(begun) < self.out_since.load(Relaxed) {
            return false;
        }
        self.times.store(0, Relaxed);
        self.asked.store(false, Relaxed);
        self.back_since.store(self.now().max(1), Relaxed);
        self.window.clear();
        self.out_until.swap(0, Relaxed) != 0
    }

    /// Notes a failure; tells for how long it is out, if this took it out. A failed `probe` does.
    pub(super) fn failed(&self, patience: &Patience, probe: bool) -> Option<Duration> {
        let streak = self.streak.fetch_add(1, Relaxed).saturating_add(1);
        let many = patience.failures > 0 && streak >= patience.failures;
        let often = self.window.note(self.now(), patience, true);
        let is_in = self.out_until.load(Relaxed) == 0;
        (probe || is_in && (many || often)).then(|| self.take_out(patience))
    }

    /// Takes it out, for longer each time in a row; tells for how long.
    pub(super) fn take_out(&self, patience: &Patience) -> Duration {
        let times = self.times.fetch_add(1, Relaxed);
        let growth = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
        let out = patience.first.saturating_mul(growth).min(patience.longest);
        self.asked.store(false, Relaxed);
        self.out(out);
        out
    }

    /// Takes it out for as long as the upstream asked, the longest time at most; tells for how long.
    pub(super) fn wait(&self, asked: Duration, patience: &Patience) -> Duration {
        let out = asked.min(patience.longest);
        if self.out_until.load(Relaxed) < self.now().saturating_add(nanos(out)) {
            self.asked.store(true, Relaxed);
            self.out(out);
        }
        out
    }

    fn out(&self, span: Duration) {
        let now = self.now();
        self.out_since.store(now, Relaxed);
        let until = now.saturating_add(nanos(span)).max(1);
        self.out_until.store(until, Relaxed);
        self.streak.store(0, Relaxed);
        self.window.clear();
    }

    fn now(&self) -> u64 {
        nanos(self.since.elapsed())
    }

    fn at(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.since))
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls and failures of the present window, which begins anew when it is over.
#[derive(Debug, Default)]
struct Window {
    /// Which window this is, counted from the beginning.
    index: AtomicU64,
    /// Calls in the upper half, failures in the lower.
    counts: AtomicU64,
}

impl Window {
    /// Counts a call; whether the failures are too large a share by now.
    fn note(&self, now: u64, patience: &Patience, failed: bool) -> bool {
        if patience.failure_percent == 0 || patience.window.is_zero() {
            return false;
        }
        let index = now / nanos(patience.window);
        if self.index.swap(index, Relaxed) != index {
            self.counts.store(0, Relaxed);
        }
        let one = 1 << 32 | u64::from(failed);
        let counts = self.counts.fetch_add(one, Relaxed).wrapping_add(one);
        let (calls, failures) = (counts >> 32, counts & u64::from(u32::MAX));
        failed
            && calls >= u64::from(patience.window_calls)
            && failures * 100 >= calls * u64::from(patience.failure_percent)
    }

    fn clear(&self) {
        self.counts.store(0, Relaxed);
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            failures: 3,
            longest: Duration::from_secs(35),
            ..Patience::default()
        }
    }

    fn succeeded(health: &Health) -> bool {
        health.succeeded(Instant::now(), &patience())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_take_it_out_for_longer_each_time() {
        let (health, patience) = (Health::new(), patience());
        assert_eq!(health.failed(&patience, false), None);
        assert_eq!(health.failed(&patience, false), None);
        succeeded(&health);
        assert_eq!(health.failed(&patience, false), None);
        assert_eq!(health.failed(&patience, false), None);
        let mut out = health.failed(&patience, false);
        for seconds in [10, 20, 35, 35] {
            assert_eq!(out, Some(Duration::from_secs(seconds)));
            assert_eq!(health.standing(), Standing::Out);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            assert_eq!(health.standing(), Standing::Due);
            assert!(health.probe() && !health.probe(), "one at a time");
            assert_eq!(health.standing(), Standing::Out);
            out = health.failed(&patience, true);
            health.probe_ended();
        }
        assert!(succeeded(&health) && !succeeded(&health));
        assert_eq!(health.standing(), Standing::In);
        health.failed(&patience, false);
        health.failed(&patience, false);
        assert_eq!(health.failed(&patience, false), Some(patience.first));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_share_of_failures_takes_it_out_without_a_streak() {
        let (health, patience) = (Health::new(), patience());
        let mut out = None;
        for _ in 0..10 {
            assert_eq!(out, None);
            succeeded(&health);
            out = health.failed(&patience, false);
        }
        assert_eq!(out, Some(patience.first), "10 of 20 failed");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_an_earlier_window_do_not_count() {
        let (health, patience) = (Health::new(), patience());
        for _ in 0..9 {
            succeeded(&health);
            assert_eq!(health.failed(&patience, false), None);
        }
        tokio::time::sleep(patience.window).await;
        succeeded(&health);
        assert_eq!(health.failed(&patience, false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_begun_before_it_was_taken_out_does_not_bring_it_back() {
        let (health, patience) = (Health::new(), patience());
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        health.wait(Duration::from_secs(20), &patience);
        assert!(health.was_asked_to_wait());
        assert!(!health.succeeded(begun, &patience));
        assert_eq!(health.standing(), Standing::Out);
        assert_eq!(health.out_for(), Duration::from_secs(20));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(succeeded(&health));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_cannot_ask_for_longer_than_the_longest_time() {
        let (health, patience) = (Health::new(), patience());
        health.wait(Duration::from_secs(86_400), &patience);
        assert_eq!(health.out_for(), patience.longest);
    }

    #[tokio::test(start_paused = true)]
    async fn its_share_grows_from_its_return() {
        let (health, patience) = (Health::new(), patience());
        assert_eq!(health.ramp(&patience), 256, "it was never out");
        health.take_out(&patience);
        tokio::time::sleep(patience.first).await;
        assert!(succeeded(&health));
        assert_eq!(health.ramp(&patience), 26);
        tokio::time::sleep(patience.slow_start / 2).await;
        assert_eq!(health.ramp(&patience), 128);
        tokio::time::sleep(patience.slow_start / 2).await;
        assert_eq!(health.ramp(&patience), 256);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_taken_out_where_that_is_switched_off() {
        let health = Health::new();
        let patience = Patience {
            failures: 0,
            failure_percent: 0,
            ..patience()
        };
        assert!((0..100).all(|_| health.failed(&patience, false).is_none()));
    }
}
