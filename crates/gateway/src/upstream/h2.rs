//! Upstream client: HTTP/2 exchanges, many on one connection that runs in a task of its own.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version, header::HOST};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http2::SendRequest},
    ext::Protocol,
};
use tokio::time::timeout;

use super::{
    BoxError, ClientError, ErrorKind, Timeouts,
    body::ResponseBody,
    client::Shared,
    host::NamedHost,
    line::{Line, Permit},
    pool::Origin,
    request::{Progress, RequestBody},
    room::{Room, Slot, Turn},
    timeout::Watch,
    tls::Offer,
};

/// How often a request is sent again when connections refuse it untouched, as they do when the
/// upstream is shutting them down.
const TRIES: usize = 3;

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;
pub(super) type Place = (SendRequest<RequestBody>, Permit);

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
        permit.turned_away(unseen);
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
    let line = lines.iter().find(|line| line.is_of(&place.1));
    line.map_or(Some(false), Line::takes_protocols)
}
