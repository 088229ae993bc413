//! Upstream client: HTTP/2 exchanges, many on one connection that runs in a task of its own.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version, header::HOST};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http2::{Builder, Connection, SendRequest},
    },
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    BoxError, ClientError, ErrorKind, Timeouts,
    body::ResponseBody,
    client::Shared,
    host::NamedHost,
    pool::{Open, Origin},
    request::{Progress, RequestBody},
    room::{Room, Slot, Turn},
    stream::Stream,
    timeout::Watch,
    tls::Offer,
};

/// How often a request is sent again when connections refuse it untouched, as they do when the
/// upstream is shutting them down.
const TRIES: usize = 3;
/// What a stream may receive before its reader has taken anything, and a connection for all.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// A connection in use that does not answer a ping for `PING_TIMEOUT` is dead.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How many streams a connection may carry before the upstream has said so, which its first frame does: an odd
/// number, by which to know that it has not.
const UNTOLD: usize = 97;

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;
pub(super) type Place = (SendRequest<RequestBody>, Permit);
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

/// Sends a request over a shared connection and waits for the head of the response. Sends it again
/// only when a connection gives it back untouched, or when the upstream says that it has not begun with
/// it and its body is at hand; the latter once.
pub(super) async fn exchange(
    client: &Shared,
    origin: Arc<Origin>,
    request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    let place = join(client, &origin, timeouts.connect).await?;
    exchange_at(place, client, origin, request, timeouts).await
}

/// The same, at first at this place.
pub(super) async fn exchange_at(
    place: Place,
    client: &Shared,
    origin: Arc<Origin>,
    request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    let (response, permit) = send_at(place, client, &origin, request, timeouts).await?;
    Ok(response.map(|body| ResponseBody::http2(body, permit, timeouts.idle)))
}

/// The same, with the stream still to be held.
pub(super) async fn send_at(
    mut place: Place,
    client: &Shared,
    origin: &Origin,
    mut request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<(Response<Incoming>, Permit), ClientError> {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(HOST);
    if let Some(named) = request.extensions_mut().remove::<NamedHost>() {
        *request.uri_mut() = named.name(request.uri());
    }
    let mut copy = Copy::of(&mut request);
    let mut tries = 1;
    loop {
        let (mut sender, permit) = place;
        let mut progress = request.body().progress();
        let answer = pin!(sender.try_send_request(request));
        let mut refused = match head(answer, &mut progress, timeouts.first_byte).await? {
            Ok(response) => return Ok((response, permit)),
            Err(refused) => refused,
        };
        let untouched = refused.take_message();
        let (error, unseen) = lost(refused.into_error(), &progress, untouched.is_some());
        let again = untouched.or_else(|| copy.take().filter(|_| unseen).map(Copy::into_request));
        request = match again {
            Some(again) if tries < TRIES => again,
            _ => return Err(error),
        };
        tries += 1;
        permit.0.leaving.store(unseen, Relaxed);
        drop(permit);
        place = join(client, origin, timeouts.connect).await?;
    }
}

/// What is needed to send a request again.
struct Copy {
    head: http::request::Parts,
    body: Bytes,
}

impl Copy {
    /// Of a request whose body is there as a whole.
    fn of(request: &mut Request<RequestBody>) -> Option<Self> {
        let body = request.body_mut().whole()?;
        let mut head = Request::new(()).into_parts().0;
        head.method = request.method().clone();
        head.uri = request.uri().clone();
        head.version = request.version();
        head.headers = request.headers().clone();
        if let Some(protocol) = request.extensions().get::<Protocol>() {
            head.extensions.insert(protocol.clone());
        }
        Some(Self { head, body })
    }

    fn into_request(self) -> Request<RequestBody> {
        Request::from_parts(self.head, RequestBody::new(Full::new(self.body)))
    }
}

async fn head(
    mut answer: Pin<&mut impl Future<Output = Answer>>,
    progress: &mut Progress,
    limit: Duration,
) -> Result<Answer, ClientError> {
    let mut watch = Watch::default();
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        if progress.moved() {
            watch.stop();
        }
        let late = watch.poll(cx, limit);
        late.map(|()| Err(ClientError::sent(ErrorKind::FirstByteTimeout, None)))
    })
    .await
}

/// Why a request got no response, and whether the upstream says that it has not begun with it: it refused
/// the stream, or named an earlier one as the last it will serve (RFC 9113 §8.7).
fn lost(error: hyper::Error, progress: &Progress, untouched: bool) -> (ClientError, bool) {
    if untouched {
        return (ClientError::connection(error, false), true);
    }
    if progress.failed() {
        return (
            ClientError::sent(ErrorKind::Body, BoxError::from(error)),
            false,
        );
    }
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<::h2::Error>());
    let refused =
        |e: &::h2::Error| e.is_go_away() || e.reason() == Some(::h2::Reason::REFUSED_STREAM);
    if cause.is_some_and(|e| e.is_remote() && refused(e)) {
        return (
            ClientError::unsent(ErrorKind::Reset, BoxError::from(error)),
            true,
        );
    }
    (ClientError::stream(error), false)
}

/// A place on a connection that has one, else on a new connection, else on the first that comes free.
pub(super) async fn join(
    client: &Shared,
    origin: &Origin,
    limit: Duration,
) -> Result<Place, ClientError> {
    // Whoever waits already goes first.
    let waited_for = origin.room().is_some_and(|room| room.is_waited_for());
    if !waited_for && let Some(place) = place(origin) {
        return Ok(place);
    }
    let full = origin.room().filter(|room| room.is_full());
    let _crowd = full.map(Room::join_crowd).transpose()?;
    match timeout(limit, open(client, origin, limit)).await {
        Ok(opened) => opened,
        Err(_) => Err(match origin.room().filter(|room| room.is_full()) {
            Some(room) => room.full(),
            None => ClientError::unsent(ErrorKind::ConnectTimeout, None),
        }),
    }
}

/// Opens a connection, unless somebody else has done so while this waited for its turn, or there are as
/// many as may be.
async fn open(client: &Shared, origin: &Origin, limit: Duration) -> Result<Place, ClientError> {
    let _turn = origin.connecting.lock().await;
    let slot = match wait(origin).await? {
        Free::Place(place) => return Ok(place),
        Free::Slot(slot) => slot,
    };
    let stream = client
        .connector
        .connect(origin, Offer::Http2, limit)
        .await?;
    let line = Line::open(stream, origin, slot, client.max_head_bytes).await?;
    let place = line
        .place(origin)
        .ok_or_else(|| ClientError::unsent(ErrorKind::Closed, None))?;
    origin.lines().push(line);
    Ok(place)
}

/// What there is for a request.
enum Free {
    Place(Place),
    Slot(Option<Slot>),
}

async fn wait(origin: &Origin) -> Result<Free, ClientError> {
    let mut ticket = None;
    loop {
        if let Some(place) = place(origin) {
            return Ok(Free::Place(place));
        }
        let Some(room) = origin.room() else {
            return Ok(Free::Slot(None));
        };
        let ticket = match &mut ticket {
            Some(ticket) => ticket,
            none => match room.enter()? {
                Ok(slot) => return Ok(Free::Slot(Some(slot))),
                Err(given) => none.insert(given),
            },
        };
        tokio::select! {
            turn = ticket => match turn {
                Ok(Turn::Slot(slot)) => return Ok(Free::Slot(Some(slot))),
                // It is of the other version: gone when dropped, and its slot comes back here.
                Ok(Turn::Link(link)) => drop(link),
                Err(_) => return Err(room.full()),
            },
            () = room.stream_ended() => {}
        }
    }
}

/// A place on the first connection that is less than half full, so that those left over from a burst get
/// a chance to close; else on the least loaded.
fn place(origin: &Origin) -> Option<Place> {
    let lines = origin.lines();
    let loads = lines
        .iter()
        .filter_map(|line| Some((line.load(origin)?, line)));
    let (_, line) = loads.min_by_key(|(load, _)| *load)?;
    line.place(origin)
}

/// What the connection of `place` [says](Line::takes_protocols) of protocols.
pub(super) fn takes_protocols(origin: &Origin, place: &Place) -> Option<bool> {
    let lines = origin.lines();
    let line = lines
        .iter()
        .find(|line| Arc::ptr_eq(&line.load, &place.1.0));
    line.map_or(Some(false), Line::takes_protocols)
}

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

    fn place(&self, origin: &Origin) -> Option<Place> {
        let limit = self.streams(origin)?;
        let free = |active| (active < limit).then_some(active + 1);
        self.load.active.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some((self.sender.clone(), Permit(Arc::clone(&self.load))))
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
    fn takes_protocols(&self) -> Option<bool> {
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
    fn load(&self, origin: &Origin) -> Option<usize> {
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
