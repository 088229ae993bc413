//! Upstream client: a tunnel through a proxy by `CONNECT` (RFC 9110 §9.3.6).

use std::{future::poll_fn, pin::pin, task::Poll};

use bytes::Bytes;
use http::{
    Request, Response, StatusCode, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
    uri::Authority,
};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;

use super::{super::stream::Stream, Proxy};
use crate::upstream::{BoxError, ClientError, ErrorKind};

/// The longest head of an answer accepted.
const MOST_BYTES: usize = 16 * 1024;

/// The proxy would not open the tunnel.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy} answered {status} to CONNECT {target}{hint}")]
struct Refused {
    proxy: String,
    status: StatusCode,
    target: Authority,
    hint: &'static str,
}

/// Asks the proxy at the other end of `stream` for a tunnel to `target`.
pub(in crate::upstream) async fn tunnel(
    stream: Stream,
    proxy: &Proxy,
    target: Authority,
) -> Result<Stream, ClientError> {
    let request = ask(proxy, &target);
    let (answer, stream) = exchange(stream, request)
        .await
        .map_err(|error| failed(error.into()))?;
    if !answer.status().is_success() {
        return Err(failed(Box::new(Refused {
            proxy: format!("{}:{}", proxy.host, proxy.port),
            status: answer.status(),
            target,
            hint: match answer.status() {
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => ": it wants other credentials",
                _ => "",
            },
        })));
    }
    let (stream, early) = stream.ok_or_else(|| failed("the proxy closed the tunnel".into()))?;
    if early.is_empty() {
        return Ok(stream);
    }
    // The client speaks first in every protocol spoken here.
    Err(failed(
        "the proxy sent something of its own into the tunnel".into(),
    ))
}

fn ask(proxy: &Proxy, target: &Authority) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = http::Method::CONNECT;
    *request.uri_mut() = Uri::from(target.clone());
    let host = target.as_str().parse();
    let host = host.expect("an authority has only characters a header may have");
    request.headers_mut().insert(HOST, host);
    if let Some(authorization) = &proxy.authorization {
        let headers = request.headers_mut();
        headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    request
}

type Answered = (Response<Incoming>, Option<(Stream, Bytes)>);

/// The answer to a request, and when it opens a tunnel, the stream with what was read of it already.
async fn exchange(
    stream: Stream,
    request: Request<Empty<Bytes>>,
) -> Result<Answered, hyper::Error> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut connection = pin!(connection.without_shutdown());
    let mut answer = pin!(sender.send_request(request));
    let mut ended = None;
    let answer = poll_fn(|cx| {
        if ended.is_none()
            && let Poll::Ready(end) = connection.as_mut().poll(cx)
        {
            ended = Some(end);
        }
        answer.as_mut().poll(cx)
    })
    .await?;
    if !answer.status().is_success() {
        return Ok((answer, None));
    }
    let parts = match ended {
        Some(parts) => parts?,
        None => connection.await?,
    };
    Ok((answer, Some((parts.io.into_inner(), parts.read_buf))))
}

fn failed(source: BoxError) -> ClientError {
    ClientError::unsent(ErrorKind::Proxy, source)
}
