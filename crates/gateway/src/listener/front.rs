//! The first stretch of the line: from the server's request to the service's, and the reply back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use hyper::body::Incoming;
use portcullis_core::body::Body;
use portcullis_core::error::Error;
use portcullis_core::respond::{Problem, Render};
use tower_service::Service;

use super::activity::{Activity, Busy, Counted};
use super::codes;

/// Where a request came in. Found in the extensions of every request a listener hands on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The address the connection comes from.
    pub peer: SocketAddr,
    /// The address it came to.
    pub local: SocketAddr,
    /// The listener's name.
    pub listener: Arc<str>,
    /// Whether the connection is encrypted: `https`, or `http`.
    pub scheme: Scheme,
}

impl ConnectionInfo {
    /// A connection in clear text; also for whoever calls a service without a listener.
    pub fn new(peer: SocketAddr, local: SocketAddr, listener: impl Into<Arc<str>>) -> Self {
        Self {
            peer,
            local,
            listener: listener.into(),
            scheme: Scheme::HTTP,
        }
    }
}

/// A service as the server below wants it, for one connection.
#[derive(Debug)]
pub(super) struct Front<S> {
    pub(super) service: S,
    pub(super) info: ConnectionInfo,
    pub(super) max_headers: usize,
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
        let state = match check(&request, self.max_headers) {
            Err(error) => State::Refused { error },
            Ok(()) => State::Waiting {
                service: self.service.clone(),
                request: Some(self.adapt(request)),
            },
        };
        Call { state, busy }
    }
}

impl<S> Front<S> {
    fn adapt(&self, request: Request<Incoming>) -> Request<Body> {
        let mut request = request.map(|body| {
            if http_body::Body::is_end_stream(&body) {
                Body::empty()
            } else {
                Body::new(body)
            }
        });
        request.extensions_mut().insert(self.info.clone());
        request
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
        busy: Option<Busy>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProj]
    enum State<S, F> {
        Refused { error: Error },
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
                StateProj::Refused { error } => break Problem.whole(error),
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
        let busy = this
            .busy
            .take()
            .expect("a future is not polled after its end");
        Poll::Ready(Ok(reply.map(|body| Counted { body, _busy: busy })))
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
