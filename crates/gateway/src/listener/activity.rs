//! The first stretch of the line: what a connection is doing, so that it does not stay open for nothing.
//!
//! The server below has a timer of its own for heads, made anew for every request. This one is kept for the
//! life of the connection and only moved when it has to fire sooner, so that a call that arrives whole and
//! is answered costs a few atomic operations and one look at the clock.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use portcullis_core::body::Body;
use portcullis_core::error::Error;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

use super::tunnels::Begun;

/// Nothing of a request has arrived since the last one.
const IDLE: u8 = 0;
/// Bytes arrived, and the server has not been heard since.
const BYTES: u8 = 1;
/// Part of a head has arrived.
const HEAD: u8 = 2;

/// What one connection is doing. Shared by its socket, its calls and its driver.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    busy: AtomicU32,
    phase: AtomicU8,
    /// When the phase began, in nanoseconds after `opened`.
    since: AtomicU64,
    /// What goes on after an upgrade, until the driver takes it over.
    pub(super) tunnels: Begun,
    /// Whether the next reply says that it is the last.
    closing: AtomicBool,
    calls: AtomicU64,
    spent: AtomicBool,
    /// Whether the client has closed its side during a call.
    half_closed: AtomicBool,
    /// Who waits for more of the request.
    upload: AtomicWaker,
    /// Whether it has stopped speaking HTTP.
    tunnelled: AtomicBool,
}

impl Activity {
    /// A connection opened now, its first head awaited.
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            busy: AtomicU32::new(0),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            tunnels: Begun::default(),
            closing: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            spent: AtomicBool::new(false),
            half_closed: AtomicBool::new(false),
            upload: AtomicWaker::new(),
            tunnelled: AtomicBool::new(false),
        })
    }

    /// Notes that bytes were read from the socket.
    pub(super) fn read(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE && self.busy.load(Ordering::Relaxed) == 0 {
            self.phase.store(BYTES, Ordering::Relaxed);
        }
    }

    /// Notes that a call begins. It is under way until the returned value is dropped.
    pub(super) fn call(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.phase.store(IDLE, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Notes that a tunnel begins, for which the client's end is one like any other.
    pub(super) fn tunnel(&self) {
        self.tunnelled.store(true, Ordering::Relaxed);
    }

    /// Whether a call is being answered.
    pub(super) fn answers(&self) -> bool {
        !self.rests() && !self.tunnelled.load(Ordering::Relaxed)
    }

    /// Notes that the client has closed its side. Whoever waits for more of the request is told.
    pub(super) fn half_close(&self) {
        self.mark();
        self.half_closed.store(true, Ordering::Release);
        self.upload.wake();
    }

    /// Whether the client has closed its side: what was handed over by then is all of the request.
    pub(super) fn is_half_closed(&self) -> bool {
        self.half_closed.load(Ordering::Acquire)
    }

    /// Names who waits for more of the request.
    pub(super) fn waits(&self, cx: &Context<'_>) {
        self.upload.register(cx.waker());
    }

    /// Lets the next reply say that it is the last.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether no call is under way.
    pub(super) fn rests(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// Counts a call against the most there may be on the connection. Returns whether it is the last.
    pub(super) fn spend(&self, max: u64) -> bool {
        let last = self.calls.fetch_add(1, Ordering::Relaxed) + 1 >= max;
        if last {
            self.spent.store(true, Ordering::Relaxed);
        }
        last
    }

    /// Whether the last call there may be has begun.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    /// Starts the present phase anew, as an idle one.
    pub(super) fn idle(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
        self.mark();
    }

    /// Starts the present phase anew.
    pub(super) fn mark(&self) {
        let since = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
    }
}

/// One call under way on a connection.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    /// Whether its reply is to say that it is the last.
    pub(super) fn is_last(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.mark();
        self.0.busy.fetch_sub(1, Ordering::Release);
    }
}

/// The body of a reply, whose call is under way until it has ended.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl http_body::Body for Counted {
    type Data = bytes::Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a head to arrive whole; zero bytes of it included on a new connection.
    pub(super) head: Duration,
    /// For a request to begin.
    pub(super) idle: Duration,
    /// For something to send to a client that has closed its side.
    pub(super) half_closed: Duration,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing for now; the timer wakes the task.
    Wait,
    /// It should end when the calls under way have.
    Finish,
    /// It should be dropped.
    Cut,
}

/// Judges a connection each time its task has run.
pub(super) struct Watch<'a> {
    pub(super) activity: &'a Activity,
    pub(super) patience: Patience,
    /// Whether part of a head is told from an idle connection: HTTP/1 only.
    pub(super) heads: bool,
    /// Whether the connection was told to finish.
    pub(super) finishing: bool,
    /// Whether the timer, as it stands, will wake the task.
    pub(super) armed: bool,
}

impl Watch<'_> {
    /// Looks at the connection, and moves `timer` where it must fire sooner.
    pub(super) fn judge(&mut self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Verdict {
        loop {
            match self.deadline() {
                Some(at) if at < timer.deadline() => self.arm(timer.as_mut(), at),
                _ if !timer.is_elapsed() => {}
                Some(at) if at <= Instant::now() => return self.expire(),
                Some(at) => self.arm(timer.as_mut(), at),
                None => self.arm(timer.as_mut(), Instant::now() + self.patience.idle),
            }
            // A poll that only yields to other tasks would not arm it.
            let mut poll = unconstrained(timer.as_mut());
            if self.armed || Pin::new(&mut poll).poll(cx).is_pending() {
                self.armed = true;
                return Verdict::Wait;
            }
        }
    }

    fn arm(&mut self, timer: Pin<&mut Sleep>, at: Instant) {
        timer.reset(at);
        self.armed = false;
    }

    /// When patience ends; never while a call is under way of which the client awaits the answer.
    fn deadline(&self) -> Option<Instant> {
        let activity = self.activity;
        if activity.busy.load(Ordering::Acquire) > 0 {
            let half_closed = activity.half_closed.load(Ordering::Relaxed);
            let half_closed = half_closed && activity.answers();
            return half_closed.then(|| self.after(self.patience.half_closed));
        }
        if self.heads && activity.phase.load(Ordering::Relaxed) == BYTES {
            activity.phase.store(HEAD, Ordering::Relaxed);
            activity.mark();
        }
        Some(self.after(self.allowed()))
    }

    /// So long after the present phase began.
    fn after(&self, wait: Duration) -> Instant {
        let since = Duration::from_nanos(self.activity.since.load(Ordering::Relaxed));
        self.activity.opened + since + wait
    }

    fn allowed(&self) -> Duration {
        let head = self.activity.phase.load(Ordering::Relaxed) == HEAD;
        if head || self.finishing {
            self.patience.head
        } else {
            self.patience.idle
        }
    }

    fn expire(&mut self) -> Verdict {
        let head = self.activity.phase.load(Ordering::Relaxed) == HEAD;
        if head || self.finishing || !self.activity.rests() {
            return Verdict::Cut;
        }
        self.finishing = true;
        self.activity.idle();
        Verdict::Finish
    }
}
