//! Beside the line: where a call leaves its record, and where the recorder's thread picks it up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use portcullis_core::context::{Exchange, Prices};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

use super::AccessLog;

/// The most shards a queue has. Threads beyond that share.
const MAX_SHARDS: usize = 8;

/// Room kept in an emptied shard. What a burst made larger is given back.
const KEEP: usize = 1024;

/// A record as it is handed over: moved by its pointer, through every list.
pub(super) type Record = Box<Exchange>;

/// Records on their way to the recorder's thread: a bounded list for every few threads.
#[derive(Debug)]
pub(super) struct Queue {
    shards: Box<[Shard]>,
    per_shard: usize,
    control: Mutex<Control>,
    woken: Condvar,
    dropped: Counter,
}

/// Alone on its cache lines, so that threads do not slow each other down.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Shard(Mutex<Vec<Record>>);

#[derive(Debug, Default)]
struct Control {
    pending: bool,
    closed: bool,
    orders: Orders,
}

/// What the thread is asked to do besides handling records.
#[derive(Default)]
pub(super) struct Orders {
    /// Told when everything queued until now has been handled.
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    /// The access log from now on.
    pub(super) access_log: Option<Option<AccessLog>>,
    /// What models cost from now on.
    pub(super) prices: Option<Arc<dyn Prices>>,
}

impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders")
            .field("flushes", &self.flushes.len())
            .field("access_log", &self.access_log)
            .field("prices", &self.prices.is_some())
            .finish()
    }
}

impl Orders {
    fn is_empty(&self) -> bool {
        self.flushes.is_empty() && self.access_log.is_none() && self.prices.is_none()
    }
}

impl Queue {
    /// A queue of at most `capacity` records, split evenly over its shards. What finds its shard full is
    /// dropped and counted in `dropped`.
    pub(super) fn new(capacity: usize, dropped: Counter) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = threads.next_power_of_two().min(MAX_SHARDS);
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            per_shard: capacity.div_ceil(shards),
            control: Mutex::default(),
            woken: Condvar::new(),
            dropped,
        }
    }

    /// Leaves a record. Never waits for the thread; wakes it when it may be asleep.
    pub(super) fn push(&self, record: Record) {
        let mut shard = self.shards[thread_number() % self.shards.len()].0.lock();
        if shard.len() >= self.per_shard {
            drop(shard);
            self.dropped.inc();
            return;
        }
        let first = shard.is_empty();
        shard.push(record);
        drop(shard);
        if first {
            self.wake();
        }
    }

    fn wake(&self) {
        let mut control = self.control.lock();
        let pending = std::mem::replace(&mut control.pending, true);
        drop(control);
        if !pending {
            self.woken.notify_one();
        }
    }

    /// Gives the thread orders, which it follows at once.
    pub(super) fn order(&self, give: impl FnOnce(&mut Orders)) {
        give(&mut self.control.lock().orders);
        self.woken.notify_one();
    }

    /// Lets the thread handle what is queued and end.
    pub(super) fn close(&self) {
        self.control.lock().closed = true;
        self.woken.notify_one();
    }

    /// Waits until there is something to do, then for `gather`, unless somebody waits for it. Returns the
    /// orders, and whether the queue is closed.
    pub(super) fn wait(&self, gather: Duration) -> (Orders, bool) {
        let mut control = self.control.lock();
        let urgent = |control: &Control| control.closed || !control.orders.is_empty();
        while !control.pending && !urgent(&control) {
            self.woken.wait(&mut control);
        }
        let until = Instant::now() + gather;
        while !urgent(&control) && !self.woken.wait_until(&mut control, until).timed_out() {}
        // Lowered before the shards are emptied: a record left later raises it again.
        control.pending = false;
        (std::mem::take(&mut control.orders), control.closed)
    }

    /// Empties every shard, calling `f` with what was in it.
    pub(super) fn drain(&self, spare: &mut Vec<Record>, mut f: impl FnMut(&mut Vec<Record>)) {
        for shard in &self.shards {
            std::mem::swap(&mut *shard.0.lock(), spare);
            if !spare.is_empty() {
                f(spare);
                spare.clear();
                spare.shrink_to(KEEP);
            }
        }
    }
}

/// A number of the present thread's own, counted from zero.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // A record may be left while its thread ends and its locals are gone already.
    NUMBER.try_with(|n| *n).unwrap_or_default()
}
