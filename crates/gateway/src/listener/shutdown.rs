//! The end of the line's first stretch: how a stop is announced to whatever accepts or serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The announcement that everything should come to an end, and by when. Clones share it.
///
/// Nothing happens until [`begin`](Self::begin) is called; dropping every clone does not begin it.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<State>);

#[derive(Debug)]
struct State {
    begun: AtomicBool,
    deadline: watch::Sender<Option<Instant>>,
}

impl Shutdown {
    /// A shutdown that has not begun.
    pub fn new() -> Self {
        Self(Arc::new(State {
            begun: AtomicBool::new(false),
            deadline: watch::Sender::new(None),
        }))
    }

    /// Begins the shutdown: whatever is under way has `within` to finish. A second call can bring the
    /// deadline forward, not put it off: `begin(Duration::ZERO)` cuts what is left.
    pub fn begin(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.0.deadline.send_if_modified(|current| {
            let sooner = current.is_none_or(|c| deadline < c);
            if sooner {
                *current = Some(deadline);
            }
            sooner
        });
        self.0.begun.store(true, Ordering::Release);
    }

    /// Whether it has begun. One atomic load.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Waits until it has begun.
    pub async fn begun(&self) {
        let mut deadline = self.0.deadline.subscribe();
        // The sender lives as long as `self`.
        let _ = deadline.wait_for(Option::is_some).await;
    }

    /// Begins `other` when this one begins, and brings its deadline forward with this one's. It never ends: it
    /// is for running beside whatever `other` stops.
    pub async fn pass_on(&self, other: &Self) {
        let mut changes = self.0.deadline.subscribe();
        loop {
            let deadline = *changes.borrow_and_update();
            if let Some(deadline) = deadline {
                other.begin(deadline.saturating_duration_since(Instant::now()));
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    /// Waits until it has begun and its deadline has passed.
    pub async fn expired(&self) {
        let mut changes = self.0.deadline.subscribe();
        loop {
            let deadline = *changes.borrow_and_update();
            let passed = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => return,
                _ = changes.changed() => {}
            }
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_comes_forward_and_is_not_put_off() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.has_begun());
        let start = Instant::now();
        shutdown.begin(Duration::from_secs(30));
        shutdown.begin(Duration::from_secs(60));
        shutdown.begun().await;
        assert!(shutdown.has_begun());
        shutdown.begin(Duration::from_secs(5));
        shutdown.expired().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_passed_on_begins_with_it_and_not_the_other_way() {
        let (all, one) = (Shutdown::new(), Shutdown::new());
        let passing = tokio::spawn({
            let (all, one) = (all.clone(), one.clone());
            async move { all.pass_on(&one).await }
        });
        one.begin(Duration::from_secs(60));
        tokio::task::yield_now().await;
        assert!(!all.has_begun());
        let start = Instant::now();
        all.begin(Duration::from_secs(9));
        tokio::task::yield_now().await;
        all.begin(Duration::from_secs(4));
        one.expired().await;
        assert_eq!(start.elapsed(), Duration::from_secs(4));
        passing.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_already_hears_of_an_earlier_deadline() {
        let shutdown = Shutdown::new();
        let start = Instant::now();
        let waits = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.expired().await }
        });
        tokio::task::yield_now().await;
        shutdown.begin(Duration::from_secs(30));
        tokio::task::yield_now().await;
        shutdown.begin(Duration::from_secs(1));
        waits.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
