//! Where calls are filed while they run.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, watch};

use crate::capture::{Ended, Meter, Seen};

/// All calls of one upstream.
#[derive(Debug)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    seen: Vec<Seen>,
    opened: usize,
    meter: Meter,
    silent: bool,
    readers: Vec<mpsc::UnboundedSender<Seen>>,
}

impl Inner {
    fn find(&mut self, number: usize) -> Option<&mut Seen> {
        let at = self
            .seen
            .binary_search_by_key(&number, |seen| seen.number)
            .ok()?;
        self.seen.get_mut(at)
    }
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files a call; `seen` is not even made while recording is off.
    pub(crate) fn open(self: &Arc<Self>, seen: impl FnOnce() -> Seen) -> Call {
        let mut inner = self.lock();
        inner.meter.requests += 1;
        let number = (!inner.silent).then(|| {
            let number = inner.opened;
            inner.opened += 1;
            inner.seen.push(Seen { number, ..seen() });
            number
        });
        drop(inner);
        self.changed.send_replace(());
        Call {
            ledger: Arc::clone(self),
            number,
            received: BytesMut::new(),
            billed: false,
            ended: false,
        }
    }

    fn note(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.lock().find(number) {
            change(seen);
        }
        self.changed.send_replace(());
    }

    pub(crate) fn record(&self, on: bool) {
        self.lock().silent = !on;
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub(crate) fn forget(&self) {
        self.lock().seen.retain(|seen| seen.ended == Ended::Running);
    }

    pub(crate) fn meter(&self) -> Meter {
        self.lock().meter
    }

    pub(crate) fn subscribe(&self) -> mpsc::UnboundedReceiver<Seen> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().readers.push(sender);
        receiver
    }

    /// Waits until `found` finds what it wants in the calls so far; `None` when the time is over.
    pub(crate) async fn wait<T>(
        &self,
        timeout: Duration,
        mut found: impl FnMut(&[Seen]) -> Option<T>,
    ) -> Option<T> {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                changed.borrow_and_update();
                if let Some(it) = found(&self.lock().seen) {
                    return Some(it);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, search).await.ok().flatten()
    }
}

/// A running call. Dropped before [`Call::end`], it is filed as cancelled.
#[derive(Debug)]
pub(crate) struct Call {
    ledger: Arc<Ledger>,
    number: Option<usize>,
    received: BytesMut,
    billed: bool,
    ended: bool,
}

impl Call {
    /// Notes a part of the request's body.
    pub(crate) fn receive(&mut self, part: &[u8]) {
        self.received.extend_from_slice(part);
    }

    /// Files the body received so far and returns it.
    pub(crate) fn received(&mut self) -> Bytes {
        let body = self.received.split().freeze();
        self.note(|seen| seen.body = body.clone());
        body
    }

    /// Where a body that arrives beside the reply is filed.
    pub(crate) fn inlet(&self) -> Inlet {
        Inlet {
            ledger: Arc::clone(&self.ledger),
            number: self.number,
        }
    }

    pub(crate) fn status(&self, status: u16) {
        self.note(|seen| seen.status = Some(status));
    }

    pub(crate) fn bill(&mut self, input: u64, output: u64) {
        if input + output == 0 {
            return;
        }
        let mut inner = self.ledger.lock();
        inner.meter.billed += u64::from(!std::mem::replace(&mut self.billed, true));
        inner.meter.input_tokens += input;
        inner.meter.output_tokens += output;
    }

    /// Files how the call ended; only the first time counts.
    pub(crate) fn end(&mut self, ended: Ended) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let Some(number) = self.number else { return };
        let mut inner = self.ledger.lock();
        let Some(seen) = inner.find(number) else {
            return;
        };
        seen.ended = ended;
        if !self.received.is_empty() {
            seen.body = self.received.split().freeze();
        }
        let seen = seen.clone();
        inner
            .readers
            .retain(|reader| reader.send(seen.clone()).is_ok());
        drop(inner);
        self.ledger.changed.send_replace(());
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        if let Some(number) = self.number {
            self.ledger.note(number, change);
        }
    }
}

/// Files the body of a request that is answered before it was read.
#[derive(Debug)]
pub(crate) struct Inlet {
    ledger: Arc<Ledger>,
    number: Option<usize>,
}

impl Inlet {
    pub(crate) fn body(self, body: Bytes) {
        if let Some(number) = self.number {
            self.ledger.note(number, |seen| seen.body = body);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Ended::Cancelled);
    }
}
