//! The first stretch of the line: from the server's request to the service's, and the reply back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use portcullis_core::body::Body;
use portcullis_core::context::{Certificate, Source};
use portcullis_core::error::Error;
use portcullis_core::route::RequestHead;
use tower_service::Service;

use super::activity::{Activity, Busy, Counted};
use super::presence::Presence;
use super::redirect::redirect;
use super::request_body::{Begun, RequestBody, too_large};
use super::sites::{Seat, Site, Sites};
use super::tls::TlsInfo;
use super::tunnels::Tunnels;
use super::{OwnReply, Replies, codes};

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Where a request came in. Found in the extensions of every request a listener hands on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The client's address: what a trusted proxy said, else where the connection comes from. None of a
    /// client at a unix socket.
    pub peer: Option<SocketAddr>,
    /// The address the client reached. None at a unix socket.
    pub local: Option<SocketAddr>,
    /// The address of the proxy that said who the client is.
    pub proxy: Option<SocketAddr>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// Whether the connection is encrypted: `https`, or `http`.
    pub scheme: Scheme,
    /// What was negotiated where it is encrypted, and the client's certificate.
    pub tls: Option<Arc<TlsInfo>>,
}

impl ConnectionInfo {
    /// A connection in clear text; also for whoever calls a service without a listener.
    pub fn new(
        peer: impl Into<Option<SocketAddr>>,
        local: impl Into<Option<SocketAddr>>,
        listener: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            peer: peer.into(),
            local: local.into(),
            proxy: None,
            listener: listener.into(),
            scheme: Scheme::HTTP,
            tls: None,
        }
    }

    /// Who the client is, as policies ask.
    pub(crate) fn source(&self) -> Source {
        let client = self.tls.as_ref().and_then(|tls| tls.client.as_ref());
        let source = Source::new(self.peer);
        match client {
            Some(client) => source.certificate(Arc::new(Certificate {
                subject: client.subject.clone(),
                subject_alt_names: client
                    .subject_alt_names
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            })),
            None => source,
        }
    }
}

/// A service as the server below wants it, for one connection.
#[derive(Debug)]
pub(super) struct Front<S> {
    pub(super) service: S,
    pub(super) sites: Arc<Sites>,
    pub(super) seat: Seat,
    pub(super) info: ConnectionInfo,
    pub(super) replies: Replies,
    /// Of a connection whose listener is not known before its first request.
    pub(super) presence: Option<Arc<Presence>>,
    pub(super) activity: Arc<Activity>,
}

impl<S> hyper::service::Service<Request<Incoming>> for Front<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = Call<S, S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = Some(self.activity.call());
        let limits = &self.sites.limits;
        let spent = limits.max_requests_per_connection;
        let last = spent.is_some_and(|max| self.activity.spend(max));
        let close = last && request.version() < Version::HTTP_2;
        let (state, begun) = match self.check(&request) {
            Ok(site) => {
                if let Some(presence) = &self.presence {
                    presence.settle(site);
                }
                self.enter(site, request)
            }
            Err(error) => (self.answer(None, request, Err(error)), None),
        };
        Call {
            state,
            begun,
            busy,
            close,
        }
    }
}

impl<S: Clone> Front<S> {
    /// The listener the request is for.
    fn check(&self, request: &Request<Incoming>) -> Result<&Site, Error> {
        let limits = &self.sites.limits;
        check(request, limits.max_headers)?;
        let max = limits.max_body_bytes.get();
        if http_body::Body::size_hint(request.body()).lower() > max {
            return Err(too_large(max));
        }
        let tls = self.info.tls.as_deref();
        let name = tls.and_then(|tls| tls.server_name.as_deref());
        self.sites
            .admit(self.seat, name, || RequestHead::from(request).host)
    }

    fn enter<F>(&self, site: &Site, request: Request<Incoming>) -> (State<S, F>, Option<Begun>) {
        if let Some(to) = &site.redirect {
            let reply = redirect(to, &request);
            return (self.answer(Some(site), request, reply), None);
        }
        let (mut request, begun) = self.adapt(request);
        let extensions = request.extensions_mut();
        // Put there by the server below, and only if the request asks for an upgrade.
        if extensions.get::<OnUpgrade>().is_some() {
            extensions.insert(Tunnels(self.activity.clone()));
        }
        let mut info = self.info.clone();
        if *info.listener != *site.name {
            info.listener = site.name.clone();
        }
        request.extensions_mut().insert(info);
        let state = State::Waiting {
            service: self.service.clone(),
            request: Some(request),
        };
        (state, begun)
    }

    fn adapt(&self, request: Request<Incoming>) -> (Request<Body>, Option<Begun>) {
        let limits = &self.sites.limits;
        let (parts, body) = request.into_parts();
        if http_body::Body::is_end_stream(&body) {
            return (Request::from_parts(parts, Body::empty()), None);
        }
        let begun = Begun::default();
        let (max, patience) = (limits.max_body_bytes.get(), limits.body_read_timeout.get());
        let body = RequestBody::new(body, max, patience, begun.clone());
        let activity = (parts.version < Version::HTTP_2).then(|| self.activity.clone());
        let body = body.of_connection(activity);
        (Request::from_parts(parts, Body::new(body)), Some(begun))
    }

    /// Answers here, for this listener if it is known.
    fn answer<F>(
        &self,
        site: Option<&Site>,
        request: Request<Incoming>,
        own: OwnReply,
    ) -> State<S, F> {
        let (mut head, _) = request.into_parts();
        let mut info = self.info.clone();
        if let Some(site) = site {
            info.listener = site.name.clone();
        }
        head.extensions.insert(info);
        let request = Request::from_parts(head, Body::empty());
        State::Answered {
            reply: Some(self.replies.write(request, own)),
        }
    }
}

/// What the server below lets pass and the line must not see.
fn check<B>(request: &Request<B>, max_headers: usize) -> Result<(), Error> {
    let headers = request.headers();
    if headers.len() > max_headers {
        let code = &codes::TOO_MANY_HEADERS;
        return Err(Error::new(code, code.about));
    }
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts.next();
    let missing = first.is_none() && request.version() == Version::HTTP_11;
    if missing || hosts.next().is_some() || !is_one_host(request, first) {
        let code = &codes::HOST_INVALID;
        return Err(Error::new(code, code.about));
    }
    if !is_framed_once(headers) {
        let code = &codes::TRANSFER_ENCODING_REFUSED;
        return Err(Error::new(code, code.about));
    }
    Ok(())
}

/// Whether what was named is a host with or without a port, and in HTTP/2, which has two places for it, the
/// same in both. Other readers would look for it before or behind a `@`, a `/` or a comma.
fn is_one_host<B>(request: &Request<B>, header: Option<&HeaderValue>) -> bool {
    let uri = request.uri();
    let target = uri.authority().map(|a| a.as_str().as_bytes());
    let header = header.map(HeaderValue::as_bytes);
    // Only a tunnel is asked for by a host and nothing else.
    if target.is_some() && uri.scheme().is_none() && request.method() != Method::CONNECT {
        return false;
    }
    if let (Some(target), Some(header), Version::HTTP_2) = (target, header, request.version())
        && !target.eq_ignore_ascii_case(header)
    {
        return false;
    }
    target.is_none_or(is_plain) && header.is_none_or(is_plain)
}

fn is_plain(host: &[u8]) -> bool {
    let odd = |b: &u8| !b.is_ascii_graphic() || b"@/\\?#,".contains(b);
    !host.iter().any(odd)
}

/// Whether there is no transfer coding but one `chunked`. The server below looks at the last one only, and
/// would hand on, as if it were plain, what is compressed or chunked twice.
fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(only) = codings.next() else {
        return true;
    };
    codings.next().is_none()
        && only
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
}

pin_project_lite::pin_project! {
    /// The reply to one request.
    pub(super) struct Call<S, F> {
        #[pin]
        state: State<S, F>,
        begun: Option<Begun>,
        busy: Option<Busy>,
        close: bool,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<S, F> {
        Answered { reply: Option<Response<Body>> },
        Waiting { service: S, request: Option<Request<Body>> },
        Called { #[pin] reply: F },
    }
}

impl<S> Future for Call<S, S::Future>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Output = Result<Response<Counted>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let reply = loop {
            match this.state.as_mut().project() {
                StateProj::Answered { reply } => {
                    break reply.take().expect("a future is not polled after its end");
                }
                StateProj::Waiting { service, request } => {
                    let Ok(()) = ready!(service.poll_ready(cx));
                    let request = request.take().expect("a request is called with once");
                    let reply = service.call(request);
                    this.state.set(State::Called { reply });
                }
                StateProj::Called { reply } => {
                    let Ok(reply) = ready!(reply.poll(cx));
                    break reply;
                }
            }
        };
        if let Some(begun) = this.begun {
            begun.note();
        }
        let busy = this
            .busy
            .take()
            .expect("a future is not polled after its end");
        let last = *this.close || busy.is_last();
        let mut reply = reply.map(|body| Counted { body, _busy: busy });
        if last {
            // An upgrade has one already, and goes on.
            reply.headers_mut().entry(CONNECTION).or_insert(CLOSE);
        }
        Poll::Ready(Ok(reply))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: http::request::Builder) -> Option<&'static str> {
        let request = request.body(()).unwrap();
        check(&request, 3).err().map(|e| e.code().name)
    }

    #[test]
    fn one_host_is_required_of_http_1_1_and_two_are_refused_of_all() {
        let host = || Request::builder().header(HOST, "a");
        assert_eq!(refused(Request::builder()), Some("host_invalid"));
        assert_eq!(refused(host()), None);
        assert_eq!(refused(host().header(HOST, "a")), Some("host_invalid"));
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(refused(Request::builder().version(version)), None);
            let two = host().header(HOST, "b").version(version);
            assert_eq!(refused(two), Some("host_invalid"));
        }
    }

    #[test]
    fn a_host_has_nothing_around_it_and_is_the_same_in_both_places_of_http_2() {
        let one = |host: &str| refused(Request::builder().header(HOST, host));
        assert_eq!(one("a.test:80"), None);
        assert_eq!(one("[::1]:80"), None);
        for odd in ["b@a", "a/b", "a, b", "a b", "a\\b", "a?b", "a#b", "\u{e9}"] {
            assert_eq!(one(odd), Some("host_invalid"), "{odd}");
        }
        let both = |version| {
            let request = Request::get("http://a.test/").version(version);
            refused(request.header(HOST, "b.test"))
        };
        assert_eq!(both(Version::HTTP_11), None);
        assert_eq!(both(Version::HTTP_2), Some("host_invalid"));
        let same = Request::get("http://a.test/").version(Version::HTTP_2);
        assert_eq!(refused(same.header(HOST, "A.test")), None);
    }

    #[test]
    fn only_chunks_and_only_once() {
        let coded = |coding: &str| {
            let request = Request::builder().header(HOST, "a");
            refused(request.header(TRANSFER_ENCODING, coding))
        };
        assert_eq!(coded("Chunked"), None);
        for other in ["gzip, chunked", "chunked, chunked", ",chunked", ""] {
            assert_eq!(coded(other), Some("transfer_encoding_refused"), "{other}");
        }
    }

    #[test]
    fn header_fields_are_counted_with_their_repetitions() {
        let mut request = Request::builder().header(HOST, "a");
        for _ in 0..2 {
            request = request.header("x", "y");
        }
        assert_eq!(refused(request), None);
        let request = Request::builder().header(HOST, "a");
        let request = (0..3).fold(request, |r, _| r.header("x", "y"));
        assert_eq!(refused(request), Some("too_many_headers"));
    }
}
