//! How many extra requests there may be, so that retries cannot multiply an outage.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The most extra requests: a share of the calls, and so many a second whatever the calls.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// In percent of the calls.
    pub percent: f64,
    /// Beside these, so many a second.
    pub per_second: f64,
}

impl Budget {
    /// A share of the calls in percent, and so many a second.
    pub const fn new(percent: f64, per_second: f64) -> Self {
        Self {
            percent,
            per_second,
        }
    }
}

/// How long what was not used stays usable, at the rate of the last calls.
const KEPT: Duration = Duration::from_secs(10);
/// The most of a share of the calls that is kept.
const MOST: f64 = 100.0;

/// What is left of a budget. Shared by all calls of a backend.
#[derive(Debug)]
pub(super) struct Purse(Mutex<Left>);

#[derive(Debug)]
struct Left {
    /// Of the share of the calls.
    of_calls: f64,
    /// Of those a second.
    of_time: Option<f64>,
    at: Instant,
}

impl Purse {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Left {
            of_calls: 0.0,
            of_time: None,
            at: Instant::now(),
        }))
    }

    /// Notes one call.
    pub(super) fn deposit(&self, budget: Budget) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.of_calls = (left.of_calls + budget.percent / 100.0).min(MOST);
    }

    /// Takes one extra request out; whether there was one.
    pub(super) fn withdraw(&self, budget: Budget) -> bool {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.saturating_duration_since(left.at).as_secs_f64();
        left.at = now;
        let most = (budget.per_second * KEPT.as_secs_f64()).max(1.0);
        // At first there is what one second brings.
        let before = left.of_time.unwrap_or(budget.per_second);
        let of_time = (before + passed * budget.per_second).min(most);
        let from_time = of_time >= 1.0;
        left.of_time = Some(if from_time { of_time - 1.0 } else { of_time });
        // A hundredth added a hundred times is a little less than one.
        let from_calls = !from_time && left.of_calls >= 1.0 - 1e-9;
        if from_calls {
            left.of_calls -= 1.0;
        }
        from_time || from_calls
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_calls_may_be_extra() {
        let (purse, budget) = (Purse::new(), Budget::new(5.0, 0.0));
        let mut extra = 0;
        for _ in 0..1000 {
            purse.deposit(budget);
            extra += u32::from(purse.withdraw(budget));
        }
        assert_eq!(extra, 50);
    }

    #[tokio::test(start_paused = true)]
    async fn beside_it_there_are_so_many_a_second() {
        let (purse, budget) = (Purse::new(), Budget::new(0.0, 3.0));
        let drain = || (0..100).filter(|_| purse.withdraw(budget)).count();
        assert_eq!(drain(), 3);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(drain(), 6);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(drain(), 30, "what is kept has a bound");
    }

    proptest! {
        #[test]
        fn extra_requests_never_exceed_the_budget(
            steps in proptest::collection::vec((0u64..2000, 0usize..5, 0usize..5), 1..60),
            percent in 0.0f64..50.0,
            per_second in 0.0f64..20.0,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let (purse, budget) = (Purse::new(), Budget::new(percent, per_second));
                let (began, mut calls, mut extra) = (Instant::now(), 0, 0);
                for (wait, asked, retried) in steps {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    (0..asked).for_each(|_| purse.deposit(budget));
                    calls += asked;
                    extra += (0..retried).filter(|_| purse.withdraw(budget)).count();
                    let passed = began.elapsed().as_secs_f64() + 1.0;
                    let allowed = calls as f64 * percent / 100.0 + passed * per_second;
                    assert!(extra as f64 <= allowed + 1e-6, "{extra} of {allowed}");
                }
            });
        }
    }
}
