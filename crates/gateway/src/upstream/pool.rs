//! Upstream client: the origins it knows and the connections that wait there to be used again.

use std::{
    collections::HashMap,
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
use tokio::{task::AbortHandle, time::Instant};

use super::{
    HttpVersion, OriginStats, Stats,
    h1::Link,
    line::Line,
    room::{Room, Slot},
    way::{Limits, Terms},
};

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
    limits: Limits,
    reaper: OnceLock<AbortHandle>,
}

/// Scheme, authority, protocol, way and check: what two requests must share to share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) https: bool,
    pub(super) version: HttpVersion,
    pub(super) authority: Authority,
    pub(super) terms: Terms,
}

/// One origin and its connections.
#[derive(Debug)]
pub(super) struct Origin {
    key: Key,
    host: HeaderValue,
    limits: Limits,
    room: Option<Arc<Room>>,
    /// The version agreed on, where that is left to the handshake.
    agreed: Mutex<Option<HttpVersion>>,
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
pub(super) struct Open {
    count: Arc<AtomicUsize>,
    _slot: Option<Slot>,
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            origins: RwLock::default(),
            limits,
            reaper: OnceLock::new(),
        }
    }

    pub(super) fn origin(self: &Arc<Self>, key: &Key) -> Arc<Origin> {
        if let Some(origin) = self.origins.read().get(key) {
            return Arc::clone(origin);
        }
        self.reaper.get_or_init(|| {
            let period = (self.limits.idle_timeout.min(SURPLUS) / 4).max(Duration::from_millis(10));
            tokio::spawn(reap(Arc::downgrade(self), period)).abort_handle()
        });
        let mut origins = self.origins.write();
        let origin = origins
            .entry(key.clone())
            .or_insert_with(|| Origin::new(key, self.limits));
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
    fn new(key: &Key, usual: Limits) -> Arc<Self> {
        let limits = key.terms.way.as_ref().map_or(usual, |way| way.limits);
        let places = limits.room(key.version);
        let host = HeaderValue::from_str(key.authority.as_str())
            .expect("an authority has only characters a header may have");
        Arc::new(Self {
            key: key.clone(),
            host,
            limits,
            room: places.map(|places| Room::new(places, limits.waiting)),
            agreed: Mutex::default(),
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

    /// The value of the `Host` header.
    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.key.terms
    }

    /// The bound on its connections, if there is one.
    pub(super) fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    pub(super) fn agreed(&self) -> Option<HttpVersion> {
        *self.agreed.lock()
    }

    pub(super) fn agree(&self, version: Option<HttpVersion>) {
        *self.agreed.lock() = version;
    }

    /// Whether a connection opened then may take no new exchange.
    pub(super) fn is_outlived(&self, born: Instant) -> bool {
        self.limits
            .lifetime
            .is_some_and(|most| born.elapsed() >= most)
    }

    pub(super) fn count(&self, slot: Option<Slot>) -> Open {
        self.open.fetch_add(1, Relaxed);
        Open {
            count: Arc::clone(&self.open),
            _slot: slot,
        }
    }

    /// The connection that was put back last, if it is young enough.
    pub(super) fn take(&self) -> Option<Box<Link>> {
        let mut idle = self.idle.lock();
        let last = idle.pop()?;
        if last.since.elapsed() < self.limits.idle_timeout {
            if self.is_outlived(last.link.born) {
                drop((idle, last));
                return self.take();
            }
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
        if self.is_outlived(link.born) {
            return;
        }
        match &self.room {
            Some(room) => self.hand(room, link),
            None => self.keep(link),
        }
    }

    /// Gives a connection to whoever waits for one, else keeps it.
    fn hand(&self, room: &Room, link: Box<Link>) {
        let Some(link) = room.hand(link) else { return };
        self.keep(link);
        // Somebody may have looked before it was kept, and come to wait after it was offered.
        if room.is_waited_for()
            && let Some(link) = self.take()
        {
            self.hand(room, link);
        }
    }

    fn keep(&self, link: Box<Link>) {
        let mut idle = self.idle.lock();
        if idle.len() < self.limits.idle {
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
                self.limits.idle_timeout.min(SURPLUS)
            } else {
                self.limits.idle_timeout
            };
            if entry.since.elapsed() < time && entry.link.is_alive() {
                idle.push(entry);
            } else {
                gone.push(entry);
            }
        }
        drop(idle);
        drop(gone);
        self.lines()
            .retain(|line| line.is_wanted(self, self.limits.idle_timeout));
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
        self.count.fetch_sub(1, Relaxed);
    }
}
