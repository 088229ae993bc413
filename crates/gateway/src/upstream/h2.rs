//! Upstream client: HTTP/2 exchanges, many on one connection that runs in a task of its own.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use http::{Request, Response, Version, header::HOST};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http2::{Builder, Connection, SendRequest},
    },
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::{
    BoxError, ClientError, ErrorKind, Timeouts,
    body::ResponseBody,
    client::Shared,
    connect::Stream,
    host::NamedHost,
    pool::{Open, Origin},
    request::{Progress, RequestBody},
    timeout::Watch,
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

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;
type Place = (SendRequest<RequestBody>, Permit);
type Conn = Connection<TokioIo<Stream>, RequestBody, TokioExecutor>;

/// An HTTP/2 connection others may join. Closes when dropped and its last exchange is over.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<RequestBody>,
    /// Run by a task, which leaves `None` at its end. Shared with it because it alone knows how many
    /// streams the upstream allows.
    connection: Arc<Mutex<Option<Conn>>>,
    load: Arc<Load>,
}

/// How many exchanges a connection carries.
#[derive(Debug)]
struct Load {
    active: AtomicUsize,
    unused_since: Mutex<Instant>,
}

/// The right to one stream of a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Load>);

/// Sends a request over a shared connection and waits for the head of the response. Sends it again
/// only when a connection gives it back untouched.
pub(super) async fn exchange(
    client: &Shared,
    origin: Arc<Origin>,
    mut request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(HOST);
    if let Some(named) = request.extensions_mut().remove::<NamedHost>() {
        *request.uri_mut() = named.name(request.uri());
    }
    let mut tries = 1;
    loop {
        let (mut sender, permit) = join(client, &origin, timeouts.connect).await?;
        let mut progress = request.body().progress();
        let answer = pin!(sender.try_send_request(request));
        let mut refused = match head(answer, &mut progress, timeouts.first_byte).await? {
            Ok(response) => {
                return Ok(response.map(|body| ResponseBody::http2(body, permit, timeouts.idle)));
            }
            Err(refused) => refused,
        };
        request = match refused.take_message() {
            Some(untouched) if tries < TRIES => untouched,
            Some(_) => return Err(ClientError::connection(refused.into_error(), false)),
            None => return Err(lost(refused.into_error(), &progress)),
        };
        tries += 1;
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

/// Why a request that was accepted got no response.
fn lost(error: hyper::Error, progress: &Progress) -> ClientError {
    if progress.failed() {
        ClientError::sent(ErrorKind::Body, BoxError::from(error))
    } else {
        ClientError::stream(error)
    }
}

/// A place on a connection that has one, else on a new connection.
async fn join(client: &Shared, origin: &Origin, limit: Duration) -> Result<Place, ClientError> {
    if let Some(place) = place(origin) {
        return Ok(place);
    }
    let late = |_| ClientError::unsent(ErrorKind::ConnectTimeout, None);
    timeout(limit, open(client, origin, limit))
        .await
        .map_err(late)?
}

/// Opens a connection, unless somebody else has done so while this waited for its turn.
async fn open(client: &Shared, origin: &Origin, limit: Duration) -> Result<Place, ClientError> {
    let _turn = origin.connecting.lock().await;
    if let Some(place) = place(origin) {
        return Ok(place);
    }
    let stream = client.connector.connect(origin, limit).await?;
    let line = Line::open(stream, origin, client.max_head_bytes).await?;
    let place = line
        .place()
        .ok_or_else(|| ClientError::unsent(ErrorKind::Closed, None))?;
    origin.lines().push(line);
    Ok(place)
}

fn place(origin: &Origin) -> Option<Place> {
    origin.lines().iter().find_map(Line::place)
}

impl Line {
    async fn open(
        stream: Stream,
        origin: &Origin,
        max_head_bytes: usize,
    ) -> Result<Self, ClientError> {
        let handshake = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream));
        let (sender, connection): (_, Conn) = handshake
            .await
            .map_err(|error| ClientError::connection(error, false))?;
        let connection = Arc::new(Mutex::new(Some(connection)));
        tokio::spawn(run(Arc::clone(&connection), origin.count()));
        let unused_since = Mutex::new(Instant::now());
        let load = Arc::new(Load {
            active: AtomicUsize::new(0),
            unused_since,
        });
        Ok(Self {
            sender,
            connection,
            load,
        })
    }

    fn place(&self) -> Option<Place> {
        if self.sender.is_closed() {
            return None;
        }
        let limit = self.connection.lock().as_ref()?.current_max_send_streams();
        let free = |active| (active < limit).then_some(active + 1);
        self.load.active.fetch_update(Relaxed, Relaxed, free).ok()?;
        Some((self.sender.clone(), Permit(Arc::clone(&self.load))))
    }

    /// Whether it is open and carries no exchange.
    pub(super) fn is_idle(&self) -> bool {
        !self.sender.is_closed() && self.load.active.load(Relaxed) == 0
    }

    /// Whether to keep it: it is open, and in use or used less than `time` ago.
    pub(super) fn is_wanted(&self, time: Duration) -> bool {
        if self.is_idle() {
            self.load.unused_since.lock().elapsed() < time
        } else {
            !self.sender.is_closed()
        }
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
    }
}
