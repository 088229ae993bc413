//! Upstream client: how many connections an origin may have, and who waits for one.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{BoxError, ClientError, ErrorKind, h1::Link};

/// The connections an origin may have at once, and the queue for them. First come, first served: what
/// comes free goes to whoever has waited longest.
#[derive(Debug)]
pub(super) struct Room {
    places: usize,
    most_waiting: usize,
    state: Mutex<State>,
    /// A stream of a shared connection has ended.
    stream_ended: Notify,
    /// How many wait for their turn to look for a stream.
    crowd: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    queue: VecDeque<oneshot::Sender<Turn>>,
}

/// What somebody gets who has waited.
#[derive(Debug)]
pub(super) enum Turn {
    /// A connection that is free now.
    Link(Box<Link>),
    /// The right to open one.
    Slot(Slot),
}

/// The right to have one connection, given on when dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Room>>);

/// A place in the queue.
pub(super) type Ticket = oneshot::Receiver<Turn>;

/// Being one of those who wait for their turn.
#[derive(Debug)]
pub(super) struct Crowd(Arc<Room>);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
#[error("{connections} connections are open and {waiting} calls wait for one")]
struct Full {
    connections: usize,
    waiting: usize,
}

impl Room {
    pub(super) fn new(places: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            places,
            most_waiting,
            state: Mutex::default(),
            stream_ended: Notify::new(),
            crowd: AtomicUsize::new(0),
        })
    }

    /// The right to open a connection, else a place in the queue.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Result<Slot, Ticket>, ClientError> {
        let mut state = self.state.lock();
        if state.taken < self.places {
            state.taken += 1;
            return Ok(Ok(Slot(Some(Arc::clone(self)))));
        }
        if state.queue.len() >= self.most_waiting {
            state.queue.retain(|waiting| !waiting.is_closed());
        }
        if state.queue.len() >= self.most_waiting {
            drop(state);
            return Err(self.full());
        }
        let (sender, ticket) = oneshot::channel();
        state.queue.push_back(sender);
        Ok(Err(ticket))
    }

    /// Whether somebody waits here, before whom nobody else may go.
    pub(super) fn is_waited_for(&self) -> bool {
        let state = self.state.lock();
        state.queue.iter().any(|waiting| !waiting.is_closed())
    }

    /// Hands a free connection to whoever waits; gives it back if nobody does.
    pub(super) fn hand(&self, mut link: Box<Link>) -> Option<Box<Link>> {
        loop {
            let next = self.state.lock().queue.pop_front();
            let Some(next) = next else {
                return Some(link);
            };
            match next.send(Turn::Link(link)) {
                Err(Turn::Link(back)) => link = back,
                Err(Turn::Slot(_)) | Ok(()) => return None,
            }
        }
    }

    /// Tells whoever waits for a stream that one has ended.
    pub(super) fn nudge(&self) {
        self.stream_ended.notify_one();
    }

    /// Returns when a stream has ended since this last returned.
    pub(super) async fn stream_ended(&self) {
        self.stream_ended.notified().await;
    }

    /// Joins those who wait for their turn, unless there are too many of them.
    pub(super) fn join_crowd(self: &Arc<Self>) -> Result<Crowd, ClientError> {
        let most = self.most_waiting;
        let one_more = |n: usize| (n < most).then_some(n + 1);
        match self.crowd.fetch_update(Relaxed, Relaxed, one_more) {
            Ok(_) => Ok(Crowd(Arc::clone(self))),
            Err(_) => Err(self.full()),
        }
    }

    /// Whether there are as many connections as may be.
    pub(super) fn is_full(&self) -> bool {
        self.state.lock().taken >= self.places
    }

    /// The error for whoever cannot wait, or has waited too long.
    pub(super) fn full(&self) -> ClientError {
        let state = self.state.lock();
        let full = Full {
            connections: state.taken,
            waiting: state.queue.len().max(self.crowd.load(Relaxed)),
        };
        ClientError::unsent(ErrorKind::Busy, BoxError::from(full))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(room) = self.0.take() else { return };
        loop {
            let mut state = room.state.lock();
            let Some(next) = state.queue.pop_front() else {
                state.taken -= 1;
                return;
            };
            drop(state);
            match next.send(Turn::Slot(Self(Some(Arc::clone(&room))))) {
                Err(Turn::Slot(mut back)) => back.0 = None,
                _ => return,
            }
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.crowd.fetch_sub(1, Relaxed);
    }
}
