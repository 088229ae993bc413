//! Upstream client: connections that stop speaking HTTP, or never begin to.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::unconstrained,
};

use super::{
    ClientError, ErrorKind, HttpVersion, Timeouts,
    body::ResponseBody,
    client::Shared,
    extended,
    h1::{self, Link},
    line::Permit,
    pool::{Open, Origin},
    request::RequestBody,
    stream::Stream,
    tls::Offer,
    way::Terms,
};
use crate::rewound::Rewound;

/// Request extension: the reply may be `101 Switching Protocols`.
///
/// Such a request is written as HTTP/1.1 has it, with `upgrade`. Over HTTP/1.1 it takes a new connection. Over
/// HTTP/2 it becomes a `CONNECT` with the protocol (RFC 8441), if the upstream has announced that it takes one,
/// and the reply to that comes back as HTTP/1.1 has it; else the client falls back to HTTP/1.1 where it may
/// choose the version. If the upstream switches, the reply has an [`Upgraded`] among its extensions; any other
/// reply is as always.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade;

/// Reply extension: the connection, after it stopped speaking HTTP. Clones share it; whoever takes it first
/// has it. Dropping the last clone closes it.
#[derive(Clone)]
pub struct Upgraded(Arc<Mutex<Option<UpgradedStream>>>);

impl Upgraded {
    /// A whole connection.
    pub(super) fn new(stream: Stream, before: Bytes, open: Open) -> Self {
        Self::over(Rewound::new(before, stream), Held::Connection(open))
    }

    /// A stream of an HTTP/2 connection.
    pub(super) fn of_stream(stream: hyper::upgrade::Upgraded, permit: Permit) -> Self {
        let stream = Stream::Other(Box::new(TokioIo::new(stream)));
        Self::over(Rewound::new(Bytes::new(), stream), Held::Place(permit))
    }

    fn over(stream: Rewound<Stream>, held: Held) -> Self {
        let stream = UpgradedStream {
            stream,
            _held: held,
        };
        Self(Arc::new(Mutex::new(Some(stream))))
    }

    /// The connection, unless it has been taken before.
    pub fn take(&self) -> Option<UpgradedStream> {
        self.0.lock().take()
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upgraded")
    }
}

/// A byte stream to an upstream: what was read behind the head comes first.
#[derive(Debug)]
pub struct UpgradedStream {
    stream: Rewound<Stream>,
    _held: Held,
}

/// What it counts as until its end.
#[derive(Debug)]
enum Held {
    /// A connection of its origin.
    Connection(#[expect(dead_code, reason = "held for its drop")] Open),
    /// A stream of one.
    Place(#[expect(dead_code, reason = "held for its drop")] Permit),
}

impl AsyncRead for UpgradedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpgradedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sends a request that may be answered by switching protocols.
pub(super) async fn exchange(
    client: &Shared,
    request: Box<Request<RequestBody>>,
    version: HttpVersion,
    terms: Terms,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    let over_http1 = terms.clone();
    if version != HttpVersion::Http1 {
        let origin = client.origin(&request, version, terms)?;
        if let Some(place) = extended::place(client, &origin, version, timeouts).await? {
            return extended::exchange(place, client, &origin, *request, timeouts).await;
        }
        if version == HttpVersion::Http2 {
            return Err(ClientError::unsent(ErrorKind::Upgrade, None));
        }
    }
    let origin = client.origin(&request, HttpVersion::Http1, over_http1)?;
    http1(client, origin, request, timeouts).await
}

async fn http1(
    client: &Shared,
    origin: Arc<Origin>,
    mut request: Box<Request<RequestBody>>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    h1::address(&mut request, &origin);
    let slot = origin.enter()?;
    let connecting = client
        .connector
        .connect(&origin, Offer::Http1, timeouts.connect);
    let mut link = Link::over(client, connecting.await?, &origin, slot).await?;
    let answer = link.sender.try_send_request(*request);
    let (reply, open) = head(&mut link, answer, timeouts).await?;
    let (mut head, incoming) = reply.into_parts();
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        let link = open.then_some(link);
        let body = ResponseBody::http1(incoming, link, &origin, timeouts.idle);
        return Ok(Response::from_parts(head, body));
    }
    if open {
        // It says that it has stopped speaking HTTP when it is looked at once more.
        let ended = poll_fn(|cx| link.poll(cx)).await;
        ended.map_err(|error| ClientError::connection(error, true))?;
    }
    head.extensions.insert(link.into_upgraded());
    let body = ResponseBody::http1(incoming, None, &origin, timeouts.idle);
    Ok(Response::from_parts(head, body))
}

type Answer = Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<RequestBody>>>;

/// Drives the connection until the head is there; tells whether it goes on with HTTP after that.
async fn head(
    link: &mut Link,
    answer: impl Future<Output = Answer>,
    timeouts: Timeouts,
) -> Result<(Response<Incoming>, bool), ClientError> {
    let mut answer = pin!(unconstrained(answer));
    let mut open = true;
    poll_fn(|cx| {
        if open && link.poll(cx).is_ready() {
            open = false;
        }
        let mut quiet = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut quiet) {
            link.watch.stop();
            let failed = |e: hyper::client::conn::TrySendError<_>| {
                ClientError::connection(e.into_error(), true)
            };
            return Poll::Ready(answer.map(|reply| (reply, open)).map_err(failed));
        }
        if !open {
            return Poll::Ready(Err(ClientError::sent(ErrorKind::Closed, None)));
        }
        let late = link.watch.poll(cx, timeouts.first_byte);
        late.map(|()| Err(ClientError::sent(ErrorKind::FirstByteTimeout, None)))
    })
    .await
}

/// Opens a connection on which no HTTP is spoken.
pub(super) async fn connect(
    client: &Shared,
    mut request: Request<()>,
) -> Result<Upgraded, ClientError> {
    let timeouts = request.extensions_mut().remove::<Timeouts>();
    let limit = timeouts.unwrap_or(client.timeouts).connect;
    let terms = client.terms(&mut request)?;
    let origin = client.origin(&request, HttpVersion::Http1, terms)?;
    let slot = origin.enter()?;
    let connecting = client.connector.connect(&origin, Offer::Http1, limit);
    let stream = connecting.await?;
    Ok(Upgraded::new(stream, Bytes::new(), origin.count(slot)))
}
