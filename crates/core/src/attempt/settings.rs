//! How often, how soon and how long the engine tries.

use std::time::Duration;

use super::Budget;

/// How an engine works.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// Further attempts after the first.
    pub retry: Retry,
    /// A second attempt beside a slow one.
    pub hedge: Option<Hedge>,
    /// After so long without content, the caller of a stream gets the head of a reply. Default: never.
    pub hold_back: Option<Duration>,
    /// Whether the reply says who served it and after how many attempts.
    pub tell: bool,
}

/// Further attempts after the first.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Retry {
    /// How many at most, hedges included.
    pub attempts: u32,
    /// The first pause before an endpoint is asked again; each further one is twice as long.
    pub backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// The longest time an endpoint's `retry-after` is waited for in a call.
    pub max_wait: Duration,
    /// How often endpoints may be asked again.
    pub budget: Budget,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            max_wait: Duration::from_secs(5),
            budget: Budget::new(20.0, 10.0),
        }
    }
}

impl Retry {
    /// So many further attempts at most.
    pub fn times(attempts: u32) -> Self {
        Self {
            attempts,
            ..Self::default()
        }
    }

    /// The pause before the `nth` time that an endpoint is asked again, counted from 0: between half of it
    /// and all of it, so that callers who failed together do not come back together.
    pub(super) fn pause(&self, nth: u32) -> Duration {
        let growth = 1_u32.checked_shl(nth).unwrap_or(u32::MAX);
        let most = self.backoff.saturating_mul(growth).min(self.max_backoff);
        most / 2 + (most / 2).mul_f64(fastrand::f64())
    }
}

/// A second attempt beside a slow one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Hedge {
    /// When.
    pub after: HedgeAfter,
    /// The most of them, in percent of the calls.
    pub max_percent: f64,
}

impl Hedge {
    /// A second attempt after this, for at most this share of the calls.
    pub fn new(after: HedgeAfter, max_percent: f64) -> Self {
        Self { after, max_percent }
    }
}

/// When a second attempt is made.
#[derive(Clone, Copy, Debug)]
pub enum HedgeAfter {
    /// After this time.
    Delay(Duration),
    /// When this share (0 to 1) of the endpoint's last replies had begun by now. Not before there were 20.
    Quantile(f64),
}

/// What policies on a route ask of the engine of whatever backend the call goes to. It travels as an attribute
/// of the call's context.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Wishes {
    /// Instead of the backend's own.
    pub retry: Option<Retry>,
    /// Instead of the backend's own.
    pub hedge: Option<Hedge>,
}

impl Settings {
    /// These settings with what the call's policies ask for.
    pub(super) fn with(mut self, wishes: Option<Wishes>) -> Self {
        if let Some(wishes) = wishes {
            self.retry = wishes.retry.unwrap_or(self.retry);
            self.hedge = wishes.hedge.or(self.hedge);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_jitter_up_to_the_longest() {
        fastrand::seed(7);
        let retry = Retry::default();
        for (nth, most) in [(0, 100), (1, 200), (4, 1600), (5, 2000), (99, 2000)] {
            let most = Duration::from_millis(most);
            let pauses: Vec<_> = (0..50).map(|_| retry.pause(nth)).collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| *pause >= most / 2 && *pause <= most)
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "jitter");
        }
    }
}
