//! Route stretch: the parts of a request that routing looks at.

use http::header::HOST;
use http::{HeaderMap, Method, Request, request};

/// What a request says about where it wants to go, borrowed from it.
///
/// Made from `&http::request::Parts` or `&http::Request<B>`, or filled by hand. From a request,
/// `host` is the authority of its target if that has one, else the `host` header (RFC 9112
/// §3.2.2); requests with several `host` headers are the listener's to refuse.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host asked for; may carry a port and a trailing dot.
    pub host: Option<&'a str>,
    /// The path as sent, without the query.
    pub path: &'a str,
    /// The query as sent, without its `?`.
    pub query: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self::new(&parts.method, &parts.uri, &parts.headers)
    }
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.headers())
    }
}

impl<'a> RequestHead<'a> {
    /// The same from the three parts of a request that matter.
    pub fn new(method: &'a Method, uri: &'a http::Uri, headers: &'a HeaderMap) -> Self {
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => headers
                .get(HOST)
                .and_then(|host| str::from_utf8(host.as_bytes()).ok()),
        };
        Self {
            method,
            host,
            path: uri.path(),
            query: uri.query(),
            headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_names_the_host_before_the_header_does() {
        let request = Request::get("http://a.b:80/c?d")
            .header(HOST, "x.y")
            .body(())
            .unwrap();
        let head = RequestHead::from(&request);
        assert_eq!(
            (head.host, head.path, head.query),
            (Some("a.b:80"), "/c", Some("d"))
        );
        let request = Request::get("/c").header(HOST, "x.y").body(()).unwrap();
        assert_eq!(RequestHead::from(&request.into_parts().0).host, Some("x.y"));
    }
}
