//! What every key has used: a table that does not grow beyond its bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::quota::{Moment, Quota, Short, Standing, Ticket, Used};

/// Keys of a table unless told otherwise.
pub const MAX_KEYS: usize = 100_000;

/// Parts of a table with a lock each.
const SHARDS: usize = 16;
/// How long a full part waits before it looks for keys at rest again.
const SWEEP: Duration = Duration::from_secs(1);

/// What keys have used of one quota. When it is full, and no key in it is at rest, further keys share what is
/// there for one: nothing is forgotten, and nobody gets around a limit by making up keys.
#[derive(Debug)]
pub struct Table {
    begun: Instant,
    hash: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    max_keys: usize,
}

#[derive(Debug, Default)]
struct Shard {
    keys: HashMap<Box<str>, Used>,
    /// What all keys have used for which there was no room.
    others: Used,
    swept: Option<Duration>,
}

/// A reservation in a table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Box<str>,
    ticket: Ticket,
    among_others: bool,
}

impl Entry {
    /// How much is reserved.
    pub(super) fn amount(&self) -> u64 {
        self.ticket.amount
    }
}

impl Table {
    /// A table for at most so many keys.
    pub fn new(max_keys: usize) -> Self {
        Self {
            begun: Instant::now(),
            hash: RandomState::new(),
            shards: Default::default(),
            max_keys: max_keys.div_ceil(SHARDS),
        }
    }

    /// This moment, as the table counts.
    pub fn now(&self) -> Moment {
        Moment {
            elapsed: self.begun.elapsed(),
            date: jiff::Timestamp::now(),
        }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| lock(shard).keys.len()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `amount` for `key` if there is as much; or, `forced`, whether there is or not.
    pub(super) fn reserve(
        &self,
        quota: &Quota,
        key: &str,
        amount: u64,
        now: Moment,
        forced: bool,
    ) -> Result<(Entry, Standing), Short> {
        self.with(quota, key, now, |used, among_others| {
            let ticket = match forced {
                true => quota.take(used, amount, now),
                false => quota.reserve(used, amount, now)?,
            };
            let entry = Entry {
                key: key.into(),
                ticket,
                among_others,
            };
            Ok((entry, quota.standing(used, now)))
        })
    }

    /// Replaces a reservation by what was used.
    pub(super) fn settle(&self, quota: &Quota, entry: &Entry, spent: u64, now: Moment) {
        let mut shard = lock(self.shard(&entry.key));
        let used = match entry.among_others {
            true => Some(&mut shard.others),
            false => shard.keys.get_mut(&entry.key),
        };
        if let Some(used) = used {
            quota.settle(used, entry.ticket, spent, now);
        }
    }

    fn with<T>(
        &self,
        quota: &Quota,
        key: &str,
        now: Moment,
        f: impl FnOnce(&mut Used, bool) -> T,
    ) -> T {
        let mut shard = lock(self.shard(key));
        if let Some(used) = shard.keys.get_mut(key) {
            return f(used, false);
        }
        if shard.keys.len() >= self.max_keys {
            shard.sweep(quota, now);
        }
        if shard.keys.len() >= self.max_keys {
            return f(&mut shard.others, true);
        }
        let used = shard.keys.entry(key.into()).or_default();
        f(used, false)
    }

    fn shard(&self, key: &str) -> &Mutex<Shard> {
        &self.shards[self.hash.hash_one(key) as usize % SHARDS]
    }
}

impl Shard {
    /// Forgets keys at rest, at most once in a while: a flood of keys does not make every call look at all.
    fn sweep(&mut self, quota: &Quota, now: Moment) {
        let recent = |swept: Duration| now.elapsed.saturating_sub(swept) < SWEEP;
        if self.swept.is_some_and(recent) {
            return;
        }
        self.swept = Some(now.elapsed);
        self.keys.retain(|_, used| !quota.is_idle(used, now));
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
