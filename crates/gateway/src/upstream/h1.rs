//! Upstream client: one HTTP/1 exchange on a connection that the exchange itself drives.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response, Uri, Version, header::HOST, uri::PathAndQuery};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, Connection, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{task::coop::unconstrained, time::Instant};

use super::{
    ClientError, ErrorKind, Timeouts,
    bell::Bell,
    body::ResponseBody,
    client::Shared,
    fresh,
    host::NamedHost,
    pool::{Open, Origin},
    request::{Progress, RequestBody},
    room::Slot,
    stream::Stream,
    timeout::Watch,
    upgrade::Upgraded,
};

/// The most a connection reads ahead or holds back from writing.
const BUFFER_BYTES: usize = 128 * 1024;

/// An HTTP/1 connection with both its ends: hyper's handle to send with, and the future that moves
/// the bytes. Nothing happens on it unless it is polled; dropping it closes it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: SendRequest<RequestBody>,
    connection: Connection<TokioIo<Stream>, RequestBody>,
    pub(super) watch: Watch,
    pub(super) bell: Bell,
    pub(super) born: Instant,
    open: Open,
}

/// A request that got no response, with the request if the connection never looked at it.
struct Refused {
    error: ClientError,
    request: Option<Box<Request<RequestBody>>>,
}

/// Sends a request over an idle connection or a new one and waits for the head of the response.
///
/// A pooled connection may have died unnoticed. As long as it gives the request back untouched the
/// next one is tried, and a new one in the end, once.
pub(super) async fn exchange(
    client: &Shared,
    origin: Arc<Origin>,
    mut request: Box<Request<RequestBody>>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    address(&mut request, &origin);
    loop {
        let idle = origin.take();
        let (link, pooled) = match idle {
            Some(link) => (link, true),
            // Boxed, because it is rare and would make the future of every call larger.
            None => Box::pin(fresh::link(client, &origin, timeouts.connect)).await?,
        };
        match send(link, request, &origin, timeouts).await {
            Err(Refused {
                request: Some(untouched),
                ..
            }) if pooled => request = untouched,
            result => return result.map_err(|refused| refused.error),
        }
    }
}

/// Turns the absolute URI into what a server expects: a path and a `Host` header.
pub(super) fn address(request: &mut Request<RequestBody>, origin: &Origin) {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.version_mut() = Version::HTTP_11;
    let named = request.extensions_mut().remove::<NamedHost>();
    let host = named.map_or_else(|| origin.host(), |named| named.header());
    request.headers_mut().insert(HOST, host);
}

impl Link {
    pub(super) async fn over(
        client: &Shared,
        stream: Stream,
        origin: &Origin,
        slot: Option<Slot>,
    ) -> Result<Box<Self>, ClientError> {
        let handshake = Builder::new()
            .max_buf_size(BUFFER_BYTES.max(client.max_head_bytes))
            .max_header_size(client.max_head_bytes)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = handshake
            .await
            .map_err(|error| ClientError::connection(error, false))?;
        Ok(Box::new(Self {
            sender,
            connection,
            watch: Watch::default(),
            bell: Bell::new(),
            born: Instant::now(),
            open: origin.count(slot),
        }))
    }

    /// Moves what can be moved: request bytes out, response bytes in. Ready when the connection has
    /// ended, after which it must not be polled again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        Pin::new(&mut self.connection).poll(cx)
    }

    /// As [`poll`](Self::poll); what there is to do afterwards, the bell tells.
    pub(super) fn look(&mut self) -> Poll<Result<(), hyper::Error>> {
        self.bell.still();
        Pin::new(&mut self.connection).poll(&mut Context::from_waker(self.bell.waker()))
    }

    /// Ready when the wait for the connection has lasted `limit`. The bell rings when that may be so.
    pub(super) fn poll_late(&mut self, limit: Duration) -> Poll<()> {
        self.watch
            .poll(&mut Context::from_waker(self.bell.waker()), limit)
    }

    /// The connection as it is once it has stopped speaking HTTP.
    pub(super) fn into_upgraded(self) -> Upgraded {
        let parts = self.connection.into_parts();
        Upgraded::new(parts.io.into_inner(), parts.read_buf, self.open)
    }

    /// Prepares for the time between two exchanges; false when there can be no other one, because
    /// one side wants to close or the request is still being sent.
    ///
    /// The task that used the connection is forgotten, so that neither what happens here later
    /// wakes it, nor its memory is kept for it to be woken.
    pub(super) fn rest(&mut self) -> bool {
        self.watch.forget();
        self.bell.forget();
        self.sender.is_ready() && self.is_alive()
    }

    /// Whether the other side has kept this unused connection open and silent.
    pub(super) fn is_alive(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }
}

async fn send(
    mut link: Box<Link>,
    request: Box<Request<RequestBody>>,
    origin: &Arc<Origin>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, Refused> {
    link.watch.stop();
    let progress = request.body().progress();
    // The answer comes over a channel which only `link.poll` fills, so it needs neither a waker nor
    // a share of the task's budget: it is looked at after each poll.
    let answer = pin!(unconstrained(link.sender.try_send_request(*request)));
    let mut link = Some(link);
    let (head, incoming) = head(&mut link, answer, progress, timeouts.first_byte).await?;
    let body = ResponseBody::http1(incoming, link, origin, timeouts.idle);
    Ok(Response::from_parts(head, body))
}

/// Drives the connection until the response head is there. Leaves `None` when it ended meanwhile.
async fn head(
    link: &mut Option<Box<Link>>,
    mut answer: Pin<&mut impl Future<Output = Answer>>,
    mut progress: Progress,
    limit: Duration,
) -> Result<(http::response::Parts, Incoming), Refused> {
    poll_fn(|cx| {
        if link.as_mut().is_some_and(|link| link.poll(cx).is_ready()) {
            *link = None;
        }
        let mut quiet = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut quiet) {
            return Poll::Ready(answer.map(Response::into_parts).map_err(Refused::from));
        }
        let Some(link) = link else {
            return Poll::Ready(Err(Refused::after_sending(ErrorKind::Closed)));
        };
        if progress.moved() {
            link.watch.stop();
        }
        let late = link.watch.poll(cx, limit);
        late.map(|()| Err(Refused::after_sending(ErrorKind::FirstByteTimeout)))
    })
    .await
    .inspect(|_| {
        if let Some(link) = link {
            link.watch.stop();
        }
    })
}

type Answer = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

impl Refused {
    fn after_sending(kind: ErrorKind) -> Self {
        Self {
            error: ClientError::sent(kind, None),
            request: None,
        }
    }
}

impl From<TrySendError<Request<RequestBody>>> for Refused {
    fn from(mut refused: TrySendError<Request<RequestBody>>) -> Self {
        let request = refused.take_message();
        let error = ClientError::connection(refused.into_error(), request.is_none());
        Self {
            error,
            request: request.map(Box::new),
        }
    }
}
