//! Upstream client: the origins it knows and the connections that wait there to be used again.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use foldhash::fast::RandomState;
use http::{
    HeaderValue,
    uri::{Authority, Scheme},
};
use parking_lot::{Mutex, RwLock};
use portcullis_core::upstream::AddressCheck;
use tokio::{task::AbortHandle, time::Instant};

use super::{ClientConfig, HttpVersion, OriginStats, Stats, h1::Link, h2::Line};

/// How many unused connections an origin keeps, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    count: usize,
    time: Duration,
}

/// So many connections of an origin are kept for as long as the settings say.
const STEADY: usize = 32;
/// Those above them are left over from a burst, and go when they have not been used for so long. Each takes
/// some 25 kB.
const SURPLUS: Duration = Duration::from_secs(5);

/// All origins of a client. The lock on the map is taken for writing only when an origin is new or
/// gone.
#[derive(Debug)]
pub(super) struct Pool {
    origins: RwLock<HashMap<Key, Arc<Origin>, RandomState>>,
    keep: Keep,
    reaper: OnceLock<AbortHandle>,
}

/// Scheme, authority, protocol: what two requests must share to share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) https: bool,
    pub(super) version: HttpVersion,
    pub(super) authority: Authority,
    pub(super) check: Option<Checked>,
}

/// A rule on addresses, known by its identity.
#[derive(Clone, Debug)]
pub(super) struct Checked(AddressCheck);

impl Checked {
    pub(super) fn new(check: &AddressCheck) -> Self {
        Self(check.clone())
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.identity().hash(state);
    }
}

/// One origin and its connections.
#[derive(Debug)]
pub(super) struct Origin {
    key: Key,
    host: HeaderValue,
    keep: Keep,
    open: Arc<AtomicUsize>,
    idle: Mutex<Vec<Idle>>,
    lines: Mutex<Vec<Line>>,
    /// Held while an HTTP/2 connection is made, so that a crowd of first requests makes one.
    pub(super) connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Idle {
    link: Box<Link>,
    since: Instant,
}

/// Counts a connection as open for as long as it lives.
#[derive(Debug)]
pub(super) struct Open(Arc<AtomicUsize>);

impl Pool {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            origins: RwLock::default(),
            keep: Keep {
                count: config.idle_per_origin,
                time: config.idle_timeout,
            },
            reaper: OnceLock::new(),
        }
    }

    pub(super) fn origin(self: &Arc<Self>, key: &Key) -> Arc<Origin> {
        if let Some(origin) = self.origins.read().get(key) {
            return Arc::clone(origin);
        }
        self.reaper.get_or_init(|| {
            let period = (self.keep.time.min(SURPLUS) / 4).max(Duration::from_millis(10));
            tokio::spawn(reap(Arc::downgrade(self), period)).abort_handle()
        });
        let mut origins = self.origins.write();
        let origin = origins
            .entry(key.clone())
            .or_insert_with(|| Origin::new(key, self.keep));
        Arc::clone(origin)
    }

    pub(super) fn stats(&self) -> Stats {
        let origins: Vec<_> = self
            .origins
            .read()
            .values()
            .map(|origin| origin.stats())
            .collect();
        Stats {
            open: origins.iter().map(|origin| origin.open).sum(),
            idle: origins.iter().map(|origin| origin.idle).sum(),
            origins,
        }
    }

    /// Closes what has been idle for too long or was closed by the other side, and forgets origins
    /// without connections.
    fn sweep(&self) {
        let origins: Vec<_> = self.origins.read().values().cloned().collect();
        for origin in &origins {
            origin.sweep();
        }
        drop(origins);
        self.origins
            .write()
            .retain(|_, origin| Arc::strong_count(origin) > 1 || origin.open.load(Relaxed) > 0);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.get() {
            reaper.abort();
        }
    }
}

async fn reap(pool: Weak<Pool>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.sweep();
    }
}

impl Origin {
    fn new(key: &Key, keep: Keep) -> Arc<Self> {
        let host = HeaderValue::from_str(key.authority.as_str())
            .expect("an authority has only characters a header may have");
        Arc::new(Self {
            key: key.clone(),
            host,
            keep,
            open: Arc::default(),
            idle: Mutex::default(),
            lines: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn scheme(&self) -> &'static Scheme {
        static SCHEMES: [Scheme; 2] = [Scheme::HTTP, Scheme::HTTPS];
        &SCHEMES[usize::from(self.key.https)]
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.key.authority
    }

    /// The rule on the addresses it may be reached at.
    pub(super) fn check(&self) -> Option<&AddressCheck> {
        self.key.check.as_ref().map(|checked| &checked.0)
    }

    pub(super) fn version(&self) -> HttpVersion {
        self.key.version
    }

    /// The value of the `Host` header.
    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    pub(super) fn count(&self) -> Open {
        self.open.fetch_add(1, Relaxed);
        Open(Arc::clone(&self.open))
    }

    /// The connection that was put back last, if it is young enough.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        let mut idle = self.idle.lock();
        let last = idle.pop()?;
        if last.since.elapsed() < self.keep.time {
            return Some(last.link);
        }
        // The last one is the youngest: all are too old. They close once the lock is released.
        let old = std::mem::take(&mut *idle);
        drop(idle);
        drop(old);
        None
    }

    /// Keeps a connection for the next request, or closes it when there are enough.
    pub(super) fn put(&self, link: Box<Link>) {
        let mut idle = self.idle.lock();
        if idle.len() < self.keep.count {
            idle.push(Idle {
                link,
                since: Instant::now(),
            });
        }
    }

    pub(super) fn lines(&self) -> parking_lot::MutexGuard<'_, Vec<Line>> {
        self.lines.lock()
    }

    fn sweep(&self) {
        let mut gone = Vec::new();
        let mut idle = self.idle.lock();
        let surplus = idle.len().saturating_sub(STEADY);
        for (place, mut entry) in std::mem::take(&mut *idle).into_iter().enumerate() {
            // Those used least lately stand first.
            let time = if place < surplus {
                self.keep.time.min(SURPLUS)
            } else {
                self.keep.time
            };
            if entry.since.elapsed() < time && entry.link.is_alive() {
                idle.push(entry);
            } else {
                gone.push(entry);
            }
        }
        drop(idle);
        drop(gone);
        self.lines().retain(|line| line.is_wanted(self.keep.time));
    }

    fn stats(&self) -> OriginStats {
        let lines = self.lines().iter().filter(|line| line.is_idle()).count();
        OriginStats {
            scheme: self.scheme().clone(),
            authority: self.key.authority.clone(),
            version: self.key.version,
            open: self.open.load(Relaxed),
            idle: self.idle.lock().len() + lines,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
