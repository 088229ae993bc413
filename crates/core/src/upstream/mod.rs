//! Where requests to an upstream go, and the only way to put a credential on one.

mod credential;
mod transport;

use std::fmt;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Method, Uri};

use crate::BoxFuture;
use crate::body::Body;
use crate::error::{Error, codes};

pub use credential::{Credential, Sign};
pub use transport::{AddressCheck, AddressRefused, Transport};

/// Headers that belong to one connection, not to the message (RFC 9110 §7.6.1).
static HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Headers of a caller's request that are for the gateway alone: its credentials above all.
static OURS: [HeaderName; 14] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    ACCEPT_ENCODING,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-portcullis-model"),
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
];

/// How long the HTTP client waits for an upstream, where the call and not the client's own settings decide.
///
/// It travels in the extensions of a request. `None` leaves the wait to the client; [`Duration::MAX`] is
/// a wait without limit. A limit that is passed is an error with the code `upstream_timeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a new connection, with name lookup and TLS.
    pub connect: Option<Duration>,
    /// From the end of the request to the first byte of the reply.
    pub first_byte: Option<Duration>,
    /// Between two pieces of the reply's body.
    pub idle: Option<Duration>,
}

impl Timeouts {
    /// These, and where one is not set, that of `outer`.
    #[must_use]
    pub fn or(self, outer: Self) -> Self {
        Self {
            connect: self.connect.or(outer.connect),
            first_byte: self.first_byte.or(outer.first_byte),
            idle: self.idle.or(outer.idle),
        }
    }
}

/// An upstream: scheme, authority, a base path, and the credential that goes there and nowhere else.
///
/// A request is made of a path, never of a URL, so nothing a caller sends can carry the credential to
/// another host.
#[derive(Clone, Debug)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    base: Box<str>,
    credential: Option<Credential>,
    transport: Option<Transport>,
}

/// Why a text is not the URL of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It is no absolute `http` or `https` URL.
    #[error("not an absolute http or https URL")]
    NotHttp,
    /// It has a user name or password.
    #[error("a URL here takes no user name or password")]
    Userinfo,
    /// It has a query.
    #[error("a URL here takes no query")]
    Query,
}

impl Origin {
    /// Reads a base URL: `https://api.openai.com/v1`. A trailing slash makes no difference.
    ///
    /// # Errors
    ///
    /// When it is not an absolute `http` or `https` URL without user name, password and query.
    pub fn parse(url: &str) -> Result<Self, OriginError> {
        let uri: Uri = url.parse().map_err(|_| OriginError::NotHttp)?;
        let parts = uri.into_parts();
        let scheme = parts
            .scheme
            .filter(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
        let (Some(scheme), Some(authority)) = (scheme, parts.authority) else {
            return Err(OriginError::NotHttp);
        };
        if authority.as_str().contains('@') {
            return Err(OriginError::Userinfo);
        }
        let path = parts
            .path_and_query
            .unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(OriginError::Query);
        }
        let base = path.path().trim_end_matches('/').into();
        Ok(Self {
            scheme,
            authority,
            base,
            credential: None,
            transport: None,
        })
    }

    /// Puts this segment at the end of the base path unless it stands there already.
    #[must_use]
    pub fn ending_with(mut self, segment: &str) -> Self {
        if !self.base.ends_with(segment) {
            self.base = format!("{}{segment}", self.base).into();
        }
        self
    }

    /// Binds a credential to this origin.
    #[must_use]
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Says how this origin is reached. Default: as the HTTP client reaches any.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// A request to `path` under the base path, with its credential on it. `caller` are the headers of the
    /// caller's request: those meant for one hop, the caller's own credentials and `accept-encoding` (the
    /// gateway must be able to read the reply) stay behind, everything else goes on.
    ///
    /// # Errors
    ///
    /// `invalid_field` for a path with `.` or `..` segments, which could leave the base path, and for one that
    /// begins with no slash, which would change its last segment; what a credential that [signs](Sign) fails with.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        caller: &HeaderMap,
        body: Body,
    ) -> Result<http::Request<Body>, Error> {
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path, query)?;
        *request.headers_mut() = forwarded(caller);
        if let Some(credential) = &self.credential {
            credential.put_on(&mut request)?;
        }
        if let Some(transport) = &self.transport {
            request.extensions_mut().insert(transport.clone());
        }
        Ok(request)
    }

    /// What must be waited for before the next request can carry the credential; nearly always nothing.
    pub fn ready(&self) -> Option<BoxFuture<'static, Result<(), Error>>> {
        self.credential.as_ref()?.signer()?.ready()
    }

    /// Whether the credential is a signature that covers the body, so that [`request`](Self::request) must be given
    /// it whole.
    pub fn signs_body(&self) -> bool {
        let signer = self.credential.as_ref().and_then(Credential::signer);
        signer.is_some_and(|signer| signer.covers_body())
    }

    fn uri(&self, path: &str, query: Option<&str>) -> Result<Uri, Error> {
        if path.split('/').any(is_dots) {
            return Err(Error::new(
                &codes::INVALID_FIELD,
                "the path has a `.` or `..` segment",
            ));
        }
        if !(path.is_empty() || path.starts_with('/')) {
            // `*` behind a base path would be another path.
            return Err(Error::new(
                &codes::INVALID_FIELD,
                "the path does not begin with a slash",
            ));
        }
        let base = &*self.base;
        let target = match query {
            None => format!("{base}{path}"),
            Some(query) => format!("{base}{path}?{query}"),
        };
        let unfit = |e| Error::new(&codes::INVALID_FIELD, "the path cannot be sent on").because(e);
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).map_err(unfit)?);
        Ok(Uri::from_parts(parts).expect("scheme, authority and path make a URI"))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

/// Takes off the headers that end at this hop: the fixed ones, and those `connection` names.
pub fn strip_hop(headers: &mut HeaderMap) {
    // Nearly always there is none, and looking at the few there are costs less than looking for eight.
    if !headers.keys().any(is_hop) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        for name in named_by_connection(headers) {
            headers.remove(name);
        }
    }
    for name in &HOP {
        headers.remove(name);
    }
}

/// Whether a header belongs to one connection rather than to the message (RFC 9110 §7.6.1), so that nobody
/// but the two ends of that connection may set it.
pub fn is_hop(name: &HeaderName) -> bool {
    HOP.contains(name)
}

fn forwarded(caller: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(caller.len() + 2);
    let named = named_by_connection(caller);
    for (name, value) in caller {
        if !(HOP.contains(name) || OURS.contains(name) || named.contains(name)) {
            kept.append(name, value.clone());
        }
    }
    kept
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect()
}

fn is_dots(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return false,
        };
        dots += 1;
    }
    (1..=2).contains(&dots)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn origin() -> Origin {
        Origin::parse("https://api.example.com/v1/")
            .unwrap()
            .with_credential(Credential::bearer("sk-secret").unwrap())
    }

    fn ask(
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<http::Request<Body>, Error> {
        let headers = headers
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect();
        origin().request(Method::POST, path, Some("a=b"), &headers, Body::empty())
    }

    #[test]
    fn the_callers_credentials_and_hop_headers_stay_behind() {
        let request = ask(
            "/chat/completions",
            &[
                ("authorization", "Bearer mine"),
                ("x-api-key", "mine"),
                ("connection", "x-drop"),
                ("x-drop", "1"),
                ("te", "trailers"),
                ("x-keep", "1"),
            ],
        )
        .unwrap();
        assert_eq!(
            request.uri(),
            "https://api.example.com/v1/chat/completions?a=b"
        );
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-keep", "authorization"]);
        assert_eq!(request.headers()["authorization"], "Bearer sk-secret");
        assert!(request.headers()["authorization"].is_sensitive());
    }

    #[test]
    fn no_path_leaves_the_base() {
        for bad in ["/../admin", "/a/./b", "/%2e%2E/admin", "/.%2e"] {
            assert_eq!(
                ask(bad, &[]).unwrap_err().code(),
                &codes::INVALID_FIELD,
                "{bad}"
            );
        }
        ask("/files/a...b/.well-known", &[]).unwrap();
    }

    #[test]
    fn a_path_cannot_change_the_host() {
        for path in ["@evil.example/x", "//evil.example/x", ":80@evil/x"] {
            match ask(path, &[]) {
                Ok(request) => assert_eq!(request.uri().host(), Some("api.example.com"), "{path}"),
                Err(e) => assert_eq!(e.code(), &codes::INVALID_FIELD),
            }
        }
    }

    #[test]
    fn urls_that_could_hide_something_are_refused() {
        assert_eq!(Origin::parse("ftp://x").unwrap_err(), OriginError::NotHttp);
        assert_eq!(Origin::parse("/v1").unwrap_err(), OriginError::NotHttp);
        assert_eq!(
            Origin::parse("https://u:p@x/v1").unwrap_err(),
            OriginError::Userinfo
        );
        assert_eq!(
            Origin::parse("https://x/v1?key=1").unwrap_err(),
            OriginError::Query
        );
    }

    #[test]
    fn a_credential_does_not_print() {
        assert!(!format!("{:?} {}", origin(), origin()).contains("sk-secret"));
    }
}
