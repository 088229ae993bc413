//! Upstream client: a connection for an HTTP/1 exchange that found none idle.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{
    ClientError,
    client::Shared,
    h1::Link,
    pool::Origin,
    room::{Room, Turn},
    tls::Offer,
};

/// Opens one; or waits for one, when there are as many as may be. True: it was used before, and may have
/// died unnoticed.
pub(super) async fn link(
    client: &Shared,
    origin: &Origin,
    limit: Duration,
) -> Result<(Box<Link>, bool), ClientError> {
    let start = Instant::now();
    let slot = match origin.room() {
        None => None,
        Some(room) => match wait(room, origin, limit).await? {
            Turn::Link(link) => return Ok((link, true)),
            Turn::Slot(slot) => Some(slot),
        },
    };
    let left = limit.saturating_sub(start.elapsed());
    let stream = client.connector.connect(origin, Offer::Http1, left).await?;
    Ok((Link::over(client, stream, origin, slot).await?, false))
}

async fn wait(
    room: &std::sync::Arc<Room>,
    origin: &Origin,
    limit: Duration,
) -> Result<Turn, ClientError> {
    let ticket = match room.enter()? {
        Ok(slot) => return Ok(Turn::Slot(slot)),
        Err(ticket) => ticket,
    };
    // One may have been put back while this was on its way into the queue.
    if let Some(link) = origin.take() {
        return Ok(Turn::Link(link));
    }
    match timeout(limit, ticket).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(room.full()),
    }
}
