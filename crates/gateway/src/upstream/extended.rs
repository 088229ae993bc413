//! Upstream client: upgrades over HTTP/2, by which one stream of a connection stops carrying HTTP (RFC 8441).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE},
};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use tokio::time::{sleep, timeout};

use super::{
    BoxError, ClientError, ErrorKind, HttpVersion, Timeouts, auto,
    body::ResponseBody,
    client::Shared,
    h2::{self, Place},
    pool::Origin,
    request::RequestBody,
    upgrade::Upgraded,
};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How often a new connection is asked whether the upstream has said what it takes, at first and at last.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A place for an upgraded stream; none, if the upstream has not announced that it takes such.
pub(super) async fn place(
    client: &Shared,
    origin: &Arc<Origin>,
    version: HttpVersion,
    timeouts: Timeouts,
) -> Result<Option<Place>, ClientError> {
    let chooses = version == HttpVersion::Auto;
    if chooses && auto::agree(client, origin, timeouts.connect).await? != HttpVersion::Http2 {
        return Ok(None);
    }
    let place = match h2::join(client, origin, timeouts.connect).await {
        // It does not offer HTTP/2 any more.
        Err(error) if chooses && error.kind() == ErrorKind::Tls => return Ok(None),
        joined => joined?,
    };
    // Told by the first frame, which may be on its way.
    let told = async {
        let (mut pause, longest) = LOOKS;
        loop {
            if let Some(takes) = h2::takes_protocols(origin, &place) {
                return takes;
            }
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    };
    let takes = timeout(timeouts.connect, told).await;
    Ok(takes.unwrap_or(false).then_some(place))
}

/// Sends what asks for an upgrade in the words of HTTP/1.1, and gives the answer back in the same.
pub(super) async fn exchange(
    place: Place,
    client: &Shared,
    origin: &Arc<Origin>,
    mut request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<Response<ResponseBody>, ClientError> {
    let accept = Accept::take(request.headers_mut());
    let (accept, protocol) = accept.ok_or_else(|| {
        let why = "an upgrade without a protocol";
        ClientError::unsent(ErrorKind::Request, BoxError::from(why))
    })?;
    request.extensions_mut().insert(protocol);
    *request.method_mut() = Method::CONNECT;
    let (mut response, permit) = h2::send_at(place, client, origin, request, timeouts).await?;
    let Some(upgrade) = response.extensions_mut().remove::<OnUpgrade>() else {
        return Ok(response.map(|body| ResponseBody::http2(body, permit, timeouts.idle)));
    };
    let stream = upgrade.await.map_err(ClientError::stream)?;
    let (mut head, body) = response.into_parts();
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    accept.write(&mut head.headers);
    head.extensions.insert(Upgraded::of_stream(stream, permit));
    let body = ResponseBody::http1(body, None, origin, timeouts.idle);
    Ok(Response::from_parts(head, body))
}

/// What an upgrade over HTTP/1.1 says and one over HTTP/2 does not.
struct Accept {
    named: HeaderValue,
    /// The answer to a key of WebSocket.
    key: Option<HeaderValue>,
}

impl Accept {
    fn take(headers: &mut HeaderMap) -> Option<(Self, Protocol)> {
        headers.remove(CONNECTION);
        headers.remove(CONTENT_LENGTH);
        let key = headers.remove(SEC_WEBSOCKET_KEY);
        let named = headers.remove(UPGRADE)?;
        let protocol = Protocol::from(named.to_str().ok()?);
        let key = key.and_then(|key| accept(key.as_bytes()).parse().ok());
        Some((Self { named, key }, protocol))
    }

    fn write(self, headers: &mut HeaderMap) {
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, self.named);
        if let Some(key) = self.key {
            headers.insert(SEC_WEBSOCKET_ACCEPT, key);
        }
    }
}

/// What a WebSocket server answers to the key of a handshake over HTTP/1.1 (RFC 6455 §4.2.2).
pub(crate) fn accept(key: &[u8]) -> String {
    let hash = digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        &[key.trim_ascii(), GUID].concat(),
    );
    STANDARD.encode(hash)
}
