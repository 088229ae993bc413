//! Upstream client: one HTTP/2 connection, how much it carries and for how long it is kept.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use hyper::client::conn::http2::{Builder, Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    ClientError,
    h2::Place,
    pool::{Open, Origin},
    request::RequestBody,
    room::{Room, Slot},
    stream::Stream,
};

/// What a stream may receive before its reader has taken anything, and a connection for all.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// A connection in use that does not answer a ping for `PING_TIMEOUT` is dead.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How many streams a connection may carry before the upstream has said so, which its first frame does: an odd
/// number, by which to know that it has not.
const UNTOLD: usize = 97;

type Conn = Connection<TokioIo<Stream>, RequestBody, TokioExecutor>;

/// An HTTP/2 connection others may join. Closes when dropped and its last exchange is over.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<RequestBody>,
    /// Run by a task, which leaves `None` at its end. Shared with it because it alone knows how many
    /// streams the upstream allows.
    connection: Arc<Mutex<Option<Conn>>>,
    load: Arc<Load>,
    born: Instant,
}

/// How many exchanges a connection carries.
#[derive(Debug)]
struct Load {
    active: AtomicUsize,
    /// The upstream has turned a stream away: it gets no further ones here.
    leaving: AtomicBool,
    unused_since: Mutex<Instant>,
    room: Option<Arc<Room>>,
}

/// The right to one stream of a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Load>);

impl Line {
    pub(super) async fn open(
        stream: Stream,
        origin: &Origin,
        slot: Option<Slot>,
        max_head_bytes: usize,
    ) -> Result<Self, ClientError> {
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_max_send_streams(UNTOLD)
            .handshake(TokioIo::new(stream));
        let (sender, connection): (_, Conn) = handshake
            .await
            .map_err(|error| ClientError::connection(error, false))?;
        let connection = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(run(Arc::clone(&connection), origin.count(slot)));
        let born = Instant::now();
        let load = Arc::new(Load {
            active: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            unused_since: Mutex::new(born),
            room: origin.room().cloned(),
        });
        Ok(Self {
            sender,
            connection,
            load,
            born,
        })
    }

    pub(super) fn place(&self, origin: &Origin) -> Option<Place> {
        let limit = self.streams(origin)?;
        let free = |active| (active < limit).then_some(active + 1);
        self.load.active.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some((self.sender.clone(), Permit(Arc::clone(&self.load))))
    }

    /// Whether this is a place on it.
    pub(super) fn is_of(&self, permit: &Permit) -> bool {
        Arc::ptr_eq(&self.load, &permit.0)
    }

    /// How many exchanges it may carry; none, if it takes no new ones.
    fn streams(&self, origin: &Origin) -> Option<usize> {
        if !self.is_open() || origin.is_outlived(self.born) {
            return None;
        }
        let connection = self.connection.lock();
        Some(connection.as_ref()?.current_max_send_streams())
    }

    /// Whether the upstream takes `CONNECT` with a protocol (RFC 8441); none, if it may not have said so yet.
    pub(super) fn takes_protocols(&self) -> Option<bool> {
        let connection = self.connection.lock();
        let Some(connection) = connection.as_ref() else {
            return Some(false);
        };
        let takes = connection.is_extended_connect_protocol_enabled();
        let told = connection.current_max_send_streams() != UNTOLD;
        (takes || told).then_some(takes)
    }

    /// How many exchanges it carries, with those less than half full as if they carried none; none, if
    /// it is full.
    pub(super) fn load(&self, origin: &Origin) -> Option<usize> {
        let limit = self.streams(origin)?;
        let active = self.load.active.load(Relaxed);
        (active < limit).then_some(if active < limit.div_ceil(2) {
            0
        } else {
            active
        })
    }

    /// Whether it is open and carries no exchange.
    pub(super) fn is_idle(&self) -> bool {
        self.is_open() && self.load.active.load(Relaxed) == 0
    }

    fn is_open(&self) -> bool {
        !self.sender.is_closed() && !self.load.leaving.load(Relaxed)
    }

    /// Whether to keep it: it is open, and in use, or not too old and used less than `time` ago. What is
    /// under way on one that is not kept ends undisturbed.
    pub(super) fn is_wanted(&self, origin: &Origin, time: Duration) -> bool {
        let in_use = self.load.active.load(Relaxed) > 0;
        let young = || self.load.unused_since.lock().elapsed() < time;
        self.is_open() && (in_use || !origin.is_outlived(self.born) && young())
    }
}

/// Runs the connection to its end.
async fn run(connection: Arc<Mutex<Option<Conn>>>, open: Open) {
    let end = poll_fn(|cx| match connection.lock().as_mut() {
        Some(connection) => Pin::new(connection).poll(cx),
        None => Poll::Ready(Ok(())),
    });
    if let Err(error) = end.await {
        tracing::debug!(%error, "http/2 connection failed");
    }
    let ended = connection.lock().take();
    drop(ended);
    drop(open);
}

impl Permit {
    /// Notes whether the upstream has turned the stream away.
    pub(super) fn turned_away(&self, away: bool) {
        self.0.leaving.store(away, Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Relaxed) == 1 {
            *self.0.unused_since.lock() = Instant::now();
        }
        if let Some(room) = &self.0.room {
            room.nudge();
        }
    }
}
