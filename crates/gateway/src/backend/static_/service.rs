//! The `static` backend at work.

use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, Parts, Scheme};
use http::{StatusCode, Uri};
use portcullis_core::backend::{Chosen, Endpoints, Pick, Wanted};
use portcullis_core::error::{Error, Fault, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::{Request, Response};

use super::HostHeader;
use crate::backend::relay::{Relay, Target, Way};
use crate::listener::HOST_INVALID;

/// Sends each call to one endpoint.
#[derive(Debug)]
pub(super) struct StaticService {
    pub(super) relay: Relay,
    pub(super) choice: Arc<Endpoints>,
    /// In the order of the choice.
    pub(super) endpoints: Box<[Endpoint]>,
    pub(super) host: HostHeader,
}

/// One upstream.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) way: Way,
}

impl StaticService {
    pub(super) async fn serve(&self, request: Request) -> Result<Response, Error> {
        let key = self.choice.affinity();
        let key = key.and_then(|affinity| affinity.of(request.headers()));
        let wanted = Wanted {
            fit: &|_| true,
            key,
            last_resort: true,
        };
        let Pick::Chosen(chosen) = self.choice.pick(wanted) else {
            return Err(Error::new(&codes::NO_ENDPOINT, codes::NO_ENDPOINT.about));
        };
        let chosen = Arc::new(chosen);
        let reply = self.send(chosen.index(), request, chosen.clone()).await;
        judge(&chosen, &reply);
        reply
    }

    /// The service of one endpoint, whoever chose it.
    pub(super) fn at(self: Arc<Self>, index: usize) -> ArcService<Http> {
        ArcService::from_fn(move |request| {
            let service = self.clone();
            async move { service.send(index, request, ()).await }
        })
    }

    async fn send(
        &self,
        index: usize,
        request: Request,
        held: impl Send + 'static,
    ) -> Result<Response, Error> {
        let host = match self.host {
            HostHeader::Caller => named_host(&request)?,
            HostHeader::Upstream => None,
        };
        let endpoint = &self.endpoints[index];
        let target = Target {
            uri: endpoint.uri(request.uri()),
            host,
            destination: None,
        };
        self.relay.send(&endpoint.way, request, target, held).await
    }
}

impl Endpoint {
    /// Path and query as the caller wrote them, at this endpoint.
    fn uri(&self, asked: &Uri) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = asked.path_and_query().cloned();
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        }
        Uri::from_parts(parts).expect("scheme, authority and path make a URI")
    }
}

/// What the caller calls the host; none if it is of HTTP/1.0 and says nothing.
fn named_host(request: &Request) -> Result<Option<Authority>, Error> {
    let named = match (request.uri().authority(), request.headers().get(HOST)) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(host)) => Authority::try_from(host.as_bytes()).ok(),
        (None, None) => return Ok(None),
    };
    let named = named.filter(|host| !host.as_str().contains('@'));
    named
        .map(Some)
        .ok_or_else(|| Error::new(&HOST_INVALID, HOST_INVALID.about))
}

/// Tells the endpoint's health what came of a call. What is the caller's fault, or ours, says nothing of it.
fn judge(chosen: &Chosen, reply: &Result<Response, Error>) {
    match reply {
        Ok(reply) if reply.status() == StatusCode::NOT_IMPLEMENTED => chosen.succeeded(),
        Ok(reply) if reply.status().is_server_error() => chosen.failed(),
        Ok(_) => chosen.succeeded(),
        Err(e) if e.code().fault == Fault::Upstream => chosen.failed(),
        Err(_) => {}
    }
}
