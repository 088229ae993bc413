//! Upstream client: whether a connection has anything to tell, known without looking at it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// What a connection rings when it wants to be looked at again.
///
/// Looking at a connection is dear, and a server asks for the next part of a body several times before it
/// waits: so who has looked and found nothing is told by the bell that nothing has changed since. It wakes
/// no task but the one that waits, so that what is looked at may ring while it is.
#[derive(Debug)]
pub(super) struct Bell {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Shared {
    rung: AtomicBool,
    waiting: AtomicWaker,
}

impl Bell {
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        Self {
            waker: Waker::from(Arc::clone(&shared)),
            shared,
        }
    }

    /// To look at the connection with.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Forgets that it has rung; to be called before a look.
    pub(super) fn still(&self) {
        // What was rung for before is seen by the look that follows.
        self.shared.rung.swap(false, Ordering::Acquire);
    }

    /// Whether it has rung since it was stilled. If not, it wakes `task` when it rings.
    pub(super) fn has_rung(&self, task: &Waker) -> bool {
        if self.shared.rung.load(Ordering::Acquire) {
            return true;
        }
        self.shared.waiting.register(task);
        self.shared.rung.load(Ordering::Acquire)
    }

    /// Wakes nobody until somebody waits again.
    pub(super) fn forget(&self) {
        drop(self.shared.waiting.take());
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.waiting.wake();
    }
}
