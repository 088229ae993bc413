//! The end of the line: calls that go on as something else than HTTP, and how that is agreed on.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::upgrade::OnUpgrade;
use portcullis_core::error::{Error, codes};
use portcullis_core::{Request, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::handshake::Key;
use super::tunnel::{self, Meter, Until};
use super::{headers, opened};
use crate::backend::codes::UPGRADE_REFUSED;
use crate::listener::Tunnels;
use crate::upstream::{Upgraded, UpgradedStream};

/// What a connection may be upgraded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UpgradeProtocol {
    /// WebSocket (RFC 6455), asked for over HTTP/1.1 or over HTTP/2 (RFC 8441).
    Websocket,
}

/// A call whose caller wants to go on in another protocol.
#[derive(Debug)]
pub(super) struct Asked {
    caller: Caller,
    form: Form,
}

/// The caller's side of the connection, to be had once it has been answered.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) upgrade: OnUpgrade,
    /// None where a program serves without our listener.
    pub(super) tunnels: Option<Tunnels>,
}

/// How it was asked for.
#[derive(Debug)]
pub(super) enum Form {
    /// `Upgrade: websocket`, answered by 101.
    Http1,
    /// `CONNECT` with `:protocol: websocket`, answered by 200. The key is the gateway's.
    Http2(Key),
    /// `CONNECT`, answered by 200: bytes, whatever they are.
    Connect,
}

/// Takes what is needed for an upgrade off the request; none if it asks for none the gateway knows, which is
/// then answered as if it had not asked (RFC 9110 §7.8).
pub(super) fn asked(
    request: &mut Request,
    allowed: &[UpgradeProtocol],
) -> Result<Option<Asked>, Error> {
    let protocol = request.extensions_mut().remove::<hyper::ext::Protocol>();
    let caller = caller(request);
    let form = if request.method() == Method::CONNECT {
        match protocol {
            Some(protocol) if protocol.as_str().eq_ignore_ascii_case("websocket") => {
                Form::Http2(Key::make())
            }
            Some(_) => return Err(Error::new(&UPGRADE_REFUSED, UPGRADE_REFUSED.about)),
            None => return Err(no_connect()),
        }
    } else if wants_websocket(request) {
        Form::Http1
    } else {
        return Ok(None);
    };
    if !allowed.contains(&UpgradeProtocol::Websocket) {
        return Err(Error::new(&UPGRADE_REFUSED, UPGRADE_REFUSED.about));
    }
    Ok(caller.map(|caller| Asked { caller, form }))
}

/// The same for a plain `CONNECT`.
pub(super) fn connect(request: &mut Request) -> Result<Asked, Error> {
    let caller = caller(request).ok_or_else(no_connect)?;
    Ok(Asked {
        caller,
        form: Form::Connect,
    })
}

fn no_connect() -> Error {
    let words = "this backend does not open tunnels: `CONNECT` has no meaning here";
    Error::new(&codes::METHOD_NOT_ALLOWED, words)
}

fn caller(request: &mut Request) -> Option<Caller> {
    let extensions = request.extensions_mut();
    Some(Caller {
        upgrade: extensions.remove()?,
        tunnels: extensions.remove(),
    })
}

fn wants_websocket(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && has_token(headers, &UPGRADE, b"websocket")
        && has_token(headers, &CONNECTION, b"upgrade")
        && http_body::Body::is_end_stream(request.body())
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, token: &[u8]) -> bool {
    let values = headers.get_all(name).iter();
    let mut tokens = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    tokens.any(|said| said.trim_ascii().eq_ignore_ascii_case(token))
}

impl Asked {
    /// Asks an upstream over HTTP/1.1 for the same.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Form::Http2(key) = &self.form {
            key.write(headers);
        }
    }

    /// Answers the caller as the upstream has answered; where that agreed, what both say from now on is
    /// carried.
    pub(super) fn answer(
        self,
        mut reply: Response,
        idle: Duration,
        meter: Meter,
    ) -> Result<Response, Error> {
        let upgraded = reply.extensions_mut().remove::<Upgraded>();
        let Some(stream) = upgraded.and_then(|upgraded| upgraded.take()) else {
            if matches!(self.form, Form::Http2(_)) && reply.status().is_success()
                || reply.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                return Err(
                    meter.broken("the upstream neither upgraded the connection nor refused to")
                );
            }
            headers::to_caller(reply.headers_mut());
            return Ok(reply.map(|body| meter.until_end(body)));
        };
        self.agree(reply, stream, idle, meter)
    }

    fn agree(
        self,
        mut reply: Response,
        stream: UpgradedStream,
        idle: Duration,
        mut meter: Meter,
    ) -> Result<Response, Error> {
        let headers = reply.headers_mut();
        let named = !matches!(self.form, Form::Connect);
        let accepted = match &self.form {
            Form::Http2(key) => key.is_accepted(headers),
            Form::Http1 | Form::Connect => true,
        };
        if named && !(accepted && has_token(headers, &UPGRADE, b"websocket")) {
            return Err(meter.broken("the upstream's handshake is not one of WebSocket"));
        }
        headers::to_caller(headers);
        headers.remove(CONTENT_LENGTH);
        match &self.form {
            Form::Http1 => self.write(headers),
            Form::Http2(_) => drop(headers.remove(SEC_WEBSOCKET_ACCEPT)),
            Form::Connect => headers.clear(),
        }
        meter.begin(if named { "websocket" } else { "connect" });
        let mut answer = opened(&self.form);
        std::mem::swap(answer.headers_mut(), reply.headers_mut());
        let until = Until {
            silent: idle,
            both: !named,
        };
        tunnel::start(self.caller, stream, until, meter);
        Ok(answer)
    }
}
