//! The end of the line: who waits for a place at an endpoint that takes no more calls at a time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;

/// How calls wait for a place where every fit endpoint has as many as it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queue {
    /// How many calls may wait. Default: 100.
    pub max: usize,
    /// How long one waits; never beyond its deadline. Default: 10 s.
    pub timeout: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max: 100,
            timeout: Duration::from_secs(10),
        }
    }
}

/// The calls that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    count: AtomicUsize,
    freed: Notify,
}

impl Waiting {
    /// A place in the queue; none if it is full.
    pub(super) fn join(&self, max: usize) -> Option<Waiter<'_>> {
        let waiter = Waiter(self);
        // Dropped, the waiter leaves again.
        (self.count.fetch_add(1, Relaxed) < max).then_some(waiter)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// Lets the one who waits longest look again.
    pub(super) fn freed(&self) {
        if !self.is_empty() {
            self.freed.notify_one();
        }
    }
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter<'a>(&'a Waiting);

impl Waiter<'_> {
    /// Until a place was freed.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
    }
}
