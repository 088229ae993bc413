//! Upstream client: which version of HTTP an origin is spoken to in, where the handshake decides.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, uri::Scheme};
use tokio::time::{Instant, timeout};

use super::{
    ClientError, ErrorKind, HttpVersion, ResponseBody, Timeouts,
    client::Shared,
    h1::{self, Link},
    h2,
    line::Line,
    pool::Origin,
    request::RequestBody,
    room::Slot,
    tls::Offer,
};

/// Sends a request in the version the origin agrees to.
pub(super) async fn exchange(
    client: &Shared,
    origin: Arc<Origin>,
    request: Box<Request<RequestBody>>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    let agreed = agree(client, &origin, timeouts.connect).await?;
    if agreed != HttpVersion::Http2 {
        return h1::exchange(client, origin, request, timeouts).await;
    }
    match h2::join(client, &origin, timeouts.connect).await {
        // It does not offer HTTP/2 any more.
        Err(error) if error.kind() == ErrorKind::Tls => origin.agree(None),
        Err(error) => return Err(error),
        Ok(place) => return h2::exchange_at(place, client, origin, *request, timeouts).await,
    }
    match agree(client, &origin, timeouts.connect).await? {
        HttpVersion::Http2 => h2::exchange(client, origin, *request, timeouts).await,
        _ => h1::exchange(client, origin, request, timeouts).await,
    }
}

/// The version last agreed on with the origin, or the one agreed on now; the connection made for that
/// waits in the pool. It is forgotten with the origin, when it has no connections any more.
pub(super) async fn agree(
    client: &Shared,
    origin: &Arc<Origin>,
    limit: Duration,
) -> Result<HttpVersion, ClientError> {
    if *origin.scheme() == Scheme::HTTP {
        return Ok(HttpVersion::Http1);
    }
    if let Some(agreed) = origin.agreed() {
        return Ok(agreed);
    }
    let start = Instant::now();
    let late = |_| ClientError::unsent(ErrorKind::ConnectTimeout, None);
    let turn = timeout(limit, origin.connecting.lock());
    let _turn = turn.await.map_err(late)?;
    if let Some(agreed) = origin.agreed() {
        return Ok(agreed);
    }
    let slot = origin.enter()?;
    let left = limit.saturating_sub(start.elapsed());
    let stream = client
        .connector
        .connect(origin, Offer::Either, left)
        .await?;
    let agreed = if stream.is_http2() {
        let line = Line::open(stream, origin, slot, client.max_head_bytes).await?;
        origin.lines().push(line);
        HttpVersion::Http2
    } else {
        origin.put(Link::over(client, stream, origin, slot).await?);
        HttpVersion::Http1
    };
    origin.agree(Some(agreed));
    Ok(agreed)
}

impl Origin {
    /// The right to open a connection now, not waiting for one.
    pub(super) fn enter(&self) -> Result<Option<Slot>, ClientError> {
        let Some(room) = self.room() else {
            return Ok(None);
        };
        match room.enter()? {
            Ok(slot) => Ok(Some(slot)),
            Err(_) => Err(room.full()),
        }
    }
}
