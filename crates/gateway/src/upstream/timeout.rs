//! Upstream client: one timer for all the waits on a connection.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A limit on a wait which usually ends soon.
///
/// Nothing is registered until somebody really waits, and a timer once registered is kept: a later
/// wait that ends after it leaves it alone and looks again when it fires. So a stream of frames
/// costs one reading of the clock per wait.
#[derive(Default)]
pub(super) struct Watch {
    sleep: Option<Pin<Box<Sleep>>>,
    until: Option<Instant>,
}

impl Watch {
    /// The wait is over: the next `poll` starts another.
    pub(super) fn stop(&mut self) {
        self.until = None;
    }

    /// The wait is over, and the task that waited shall not be woken any more.
    pub(super) fn forget(&mut self) {
        self.stop();
        if let Some(sleep) = &mut self.sleep {
            // It does not matter whether the timer has fired: the next wait sets it again.
            let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Ready when this wait has lasted `limit`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let until = match self.until {
            Some(until) => until,
            None => match Instant::now().checked_add(limit) {
                Some(until) => *self.until.insert(until),
                None => return Poll::Pending,
            },
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
