//! The end of the line: a plain HTTP call carried to an upstream and back, whichever backend chose it.

mod forwarded;
mod handshake;
mod headers;
mod tunnel;
mod upgrade;
mod via;

use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{Method, StatusCode, Uri, Version};
use portcullis_core::body::Body;
use portcullis_core::context::{Attempt, Context, HasContext, Outcome};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::{AddressCheck, Transport};
use portcullis_core::{Request, Response};

use crate::entry::REQUEST_ID;
use crate::listener::ConnectionInfo;
use crate::upstream::{HttpVersion, NamedHost, Upgrade};

pub(super) use forwarded::Forwarded;
pub use forwarded::{ForwardedHeadersConfig, ForwardedMode};
use tunnel::Meter;
pub use upgrade::UpgradeProtocol;
use upgrade::{Asked, Form};
pub(super) use via::Via;

/// Carries calls as they are, but for the headers that end at the gateway.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) forwarded: Forwarded,
    pub(super) upgrades: Vec<UpgradeProtocol>,
    /// How long an upgraded connection may be silent.
    pub(super) idle: Duration,
    /// The mark by which a call that comes round again is known.
    pub(super) via: Option<Via>,
}

/// How calls reach one endpoint.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) service: ArcService<Http>,
    /// What it is called in records.
    pub(super) name: Arc<str>,
    pub(super) version: HttpVersion,
    /// What says all of it, the version too, where that is not the client's usual way.
    pub(super) transport: Option<Transport>,
    pub(super) check: Option<AddressCheck>,
}

/// Where one call goes.
#[derive(Debug)]
pub(super) struct Target {
    /// Scheme and authority it is sent to, path and query it asks for.
    pub(super) uri: Uri,
    /// The host it names, where that is another.
    pub(super) host: Option<Authority>,
    /// The same place for the record, where the caller decides it.
    pub(super) destination: Option<Box<str>>,
}

impl Relay {
    /// Sends a call. `held` is dropped when the reply, or what the call was upgraded to, has ended.
    pub(super) async fn send(
        &self,
        way: &Way,
        mut request: Request,
        target: Target,
        held: impl Send + 'static,
    ) -> Result<Response, Error> {
        if let Some(via) = &self.via {
            via.check(request.headers())?;
        }
        let asked = upgrade::asked(&mut request, &self.upgrades)?;
        let context = request.context().clone();
        self.prepare(&mut request, &context, asked.as_ref());
        count(&mut request, &context);
        let (reply, attempt) = attempt(way, request, target, &context).await?;
        match asked {
            Some(asked) => asked.answer(reply, self.idle, Meter::new(context, attempt, held)),
            None => answer(reply, attempt, held),
        }
    }

    /// Opens a tunnel (`CONNECT`) to `target`, which has no path that matters.
    pub(super) async fn connect(
        &self,
        way: &Way,
        mut request: Request,
        target: Target,
    ) -> Result<Response, Error> {
        let asked = upgrade::connect(&mut request)?;
        let context = request.context().clone();
        let (mut head, _) = request.into_parts();
        head.headers.clear();
        head.extensions.insert(Upgrade);
        let request = http::Request::from_parts(head, Body::empty());
        let (reply, attempt) = attempt(way, request, target, &context).await?;
        asked.answer(reply, self.idle, Meter::new(context, attempt, ()))
    }

    fn prepare(&self, request: &mut Request, context: &Context, asked: Option<&Asked>) {
        let (uri, version) = (request.uri().clone(), request.version());
        let from = request.extensions_mut().remove::<ConnectionInfo>();
        let headers = request.headers_mut();
        headers::to_upstream(headers, context.principal().is_some());
        // Only now: a caller may name any header in `connection`, those we add too.
        headers.insert(REQUEST_ID, context.id().to_header());
        self.forwarded.write(headers, &uri, from.as_ref());
        if let Some(via) = &self.via {
            via.write(headers, version);
        }
        if let Some(asked) = asked {
            asked.write(headers);
            *request.method_mut() = Method::GET;
            request.extensions_mut().insert(Upgrade);
        }
    }
}

/// Sends a prepared request, on record.
async fn attempt(
    way: &Way,
    mut request: Request,
    target: Target,
    context: &Context,
) -> Result<(Response, Attempt), Error> {
    *request.uri_mut() = target.uri;
    let extensions = request.extensions_mut();
    match &way.transport {
        Some(transport) => drop(extensions.insert(transport.clone())),
        None => drop(extensions.insert(way.version)),
    }
    if let Some(check) = &way.check {
        extensions.insert(check.clone());
    }
    if let Some(host) = target.host {
        extensions.insert(NamedHost(host));
    }
    let mut attempt = context.attempt(way.name.clone());
    attempt.record().destination = target.destination;
    match way.service.send(request).await {
        Ok(mut reply) => {
            attempt.answered(reply.status());
            attempt.record().upstream_id = upstream_id(&reply);
            // What it says of itself is about the upstream's connection.
            *reply.version_mut() = Version::HTTP_11;
            Ok((reply, attempt))
        }
        Err(e) => {
            attempt.record().error = Some(e.chain().into());
            attempt.finish(Outcome::Failed(e.code()));
            Err(e)
        }
    }
}

fn upstream_id(reply: &Response) -> Option<Box<str>> {
    Some(reply.headers().get(REQUEST_ID)?.to_str().ok()?.into())
}

/// The reply as it came, its attempt ended with it.
fn answer(
    mut reply: Response,
    attempt: Attempt,
    held: impl Send + 'static,
) -> Result<Response, Error> {
    if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
        let words = "the upstream switched protocols, which nobody asked of it";
        return Err(broken(attempt, words));
    }
    headers::to_caller(reply.headers_mut());
    Ok(reply.map(|body| {
        body.on_end(move |end| {
            attempt.finish(end.how.into());
            drop(held);
        })
    }))
}

/// Ends an attempt whose reply makes no sense.
fn broken(mut attempt: Attempt, words: &'static str) -> Error {
    attempt.record().error = Some(words.into());
    attempt.finish(Outcome::Failed(&codes::UPSTREAM_BROKEN));
    Error::new(&codes::UPSTREAM_BROKEN, words)
}

/// Records how many bytes the request's body had, when it has ended; the record waits for that.
fn count(request: &mut Request, context: &Context) {
    let body = std::mem::take(request.body_mut());
    if let Some(bytes) = body.bytes() {
        context.record(|exchange| exchange.bytes_in = bytes.len() as u64);
        *request.body_mut() = body;
        return;
    }
    let (context, hold) = (context.clone(), context.hold());
    *request.body_mut() = body.on_end(move |end| {
        context.record(|exchange| exchange.bytes_in = end.bytes);
        drop(hold);
    });
}

/// Whether this is `CONNECT` of HTTP/1.1, or of HTTP/2 without a protocol: a tunnel is wanted.
pub(super) fn wants_tunnel(request: &Request) -> bool {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    request.method() == Method::CONNECT && protocol.is_none()
}

/// The reply that opens a tunnel, by how it was asked for.
fn opened(form: &Form) -> Response {
    let mut reply = http::Response::new(Body::empty());
    if matches!(form, Form::Http1) {
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    reply
}
