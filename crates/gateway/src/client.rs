//! The HTTP client as the service every endpoint ends in: the gateway's bodies in, the gateway's errors out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body::{Frame, SizeHint};
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::Timeouts as Wanted;
use portcullis_core::{Request, Response};

use crate::backend::UPGRADE_REFUSED;
use crate::upstream::{Client, ClientError, ErrorKind, ResponseBody, Timeouts, Upgrade};

/// The client as a service of the gateway's HTTP.
pub fn service(client: Client) -> ArcService<Http> {
    ArcService::from_fn(move |request| send(client.clone(), request))
}

async fn send(client: Client, mut request: Request) -> Result<Response, Error> {
    times(&client, &mut request);
    if request.method() == Method::CONNECT {
        return Box::pin(connect(client, request)).await;
    }
    let reply = client.call(request).await.map_err(error)?;
    Ok(reply.map(|body| Body::new(Reply { body })))
}

/// Opens a connection for whoever asks for one by [`Upgrade`], and for nobody else.
async fn connect(client: Client, request: Request) -> Result<Response, Error> {
    let (head, _) = request.into_parts();
    if head.extensions.get::<Upgrade>().is_none() {
        let words = "`CONNECT` has no meaning for this backend";
        return Err(Error::new(&codes::METHOD_NOT_ALLOWED, words));
    }
    let opened = client.connect(http::Request::from_parts(head, ()));
    let mut reply = http::Response::new(Body::empty());
    reply.extensions_mut().insert(opened.await.map_err(error)?);
    Ok(reply)
}

/// Says in the client's words how long the call may wait for what.
fn times(client: &Client, request: &mut Request) {
    if let Some(wanted) = request.extensions_mut().remove::<Wanted>() {
        let usual = client.timeouts();
        request.extensions_mut().insert(Timeouts {
            connect: wanted.connect.unwrap_or(usual.connect),
            first_byte: wanted.first_byte.unwrap_or(usual.first_byte),
            idle: wanted.idle.unwrap_or(usual.idle),
        });
    }
}

struct Reply {
    body: ResponseBody,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the caller is told of a failed exchange; the details stay in the log.
fn error(e: ClientError) -> Error {
    if let Some(own) = of_body(&e) {
        return own.because(e);
    }
    let (code, words) = match e.kind() {
        ErrorKind::Request => (
            &codes::INVALID_FIELD,
            "the request cannot be sent to the upstream",
        ),
        ErrorKind::AddressRefused => (&codes::ADDRESS_REFUSED, codes::ADDRESS_REFUSED.about),
        ErrorKind::Busy => {
            let busy = Error::new(&codes::UPSTREAM_BUSY, codes::UPSTREAM_BUSY.about);
            return busy.retry_after(Duration::from_secs(1)).because(e);
        }
        ErrorKind::Dns | ErrorKind::Connect | ErrorKind::Proxy | ErrorKind::Tls => (
            &codes::UPSTREAM_UNREACHABLE,
            "the upstream cannot be reached",
        ),
        ErrorKind::ConnectTimeout => (
            &codes::UPSTREAM_TIMEOUT,
            "connecting to the upstream took longer than `timeouts.connect`",
        ),
        ErrorKind::FirstByteTimeout => (
            &codes::UPSTREAM_TIMEOUT,
            "the upstream did not begin to answer within `timeouts.firstByte`",
        ),
        ErrorKind::IdleTimeout => (
            &codes::UPSTREAM_TIMEOUT,
            "the upstream was silent for longer than `timeouts.idle`",
        ),
        ErrorKind::Upgrade => (
            &UPGRADE_REFUSED,
            "the upstream is spoken to in HTTP/2 and has not announced extended `CONNECT`",
        ),
        ErrorKind::Body => (&codes::BODY_BROKEN, codes::BODY_BROKEN.about),
        _ => (&codes::UPSTREAM_BROKEN, codes::UPSTREAM_BROKEN.about),
    };
    Error::new(code, words).because(e)
}

/// What the request's body itself failed with, as when it was too large or did not arrive.
fn of_body(e: &ClientError) -> Option<Error> {
    if e.kind() != ErrorKind::Body {
        return None;
    }
    let mut next = std::error::Error::source(e);
    while let Some(cause) = next {
        if let Some(own) = cause.downcast_ref::<Error>() {
            return Some(Error::new(own.code(), own.message().to_owned()));
        }
        next = cause.source();
    }
    None
}
