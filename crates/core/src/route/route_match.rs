//! Route stretch: everything a route asks of a request, all of which must hold.

use std::fmt;

use http::Method;

use super::head::RequestHead;
use super::header::HeaderMatch;
use super::host::HostMatch;
use super::path::PathMatch;
use super::query::QueryMatch;

/// What a route asks of a request. All of it must hold; the default asks nothing.
///
/// Of several entries in `headers` or `query` with one name only the first counts, as the Gateway
/// API has it. Implements `HTTPRouteMatch`, with one of the route's hostnames.
///
/// ```
/// use http::{Method, Request};
/// use portcullis_core::route::{HostMatch, Mismatch, PathMatch, RouteMatch};
///
/// let chat = RouteMatch {
///     host: Some(HostMatch::new("*.example.com")?),
///     path: PathMatch::prefix("/v1")?,
///     method: Some(Method::POST),
///     ..RouteMatch::default()
/// };
/// let request = Request::get("http://api.example.com/v1/chat").body(())?;
/// assert_eq!(chat.check(&request), Err(Mismatch::Method));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// The host; every request if none, also one without a host.
    pub host: Option<HostMatch>,
    /// The path; every path by default.
    pub path: PathMatch,
    /// The headers it must have.
    pub headers: Vec<HeaderMatch>,
    /// The query parameters it must have.
    pub query: Vec<QueryMatch>,
    /// The method; any if none.
    pub method: Option<Method>,
}

/// As in `host api.example.com, path prefix /v1, POST, header x-team: a, query beta=1`.
impl fmt::Display for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "host {host}, ")?;
        }
        write!(f, "path {}", self.path)?;
        if let Some(method) = &self.method {
            write!(f, ", {method}")?;
        }
        self.headers
            .iter()
            .try_for_each(|header| write!(f, ", header {header}"))?;
        self.query
            .iter()
            .try_for_each(|query| write!(f, ", query {query}"))
    }
}

/// The first thing a route asks for that a request does not have.
///
/// Looked at in the order below.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The host is another, or the request names none.
    #[error("the host is another")]
    Host,
    /// The path is another.
    #[error("the path is another")]
    Path,
    /// The method is another.
    #[error("the method is another")]
    Method,
    /// The header is missing or has another value.
    #[error("header {0} is missing or has another value")]
    Header(http::HeaderName),
    /// The query parameter is missing or has another value.
    #[error("query parameter {0} is missing or has another value")]
    Query(Box<str>),
    /// All holds for the path as sent, but the path can be read in another way, for which all
    /// does not hold or another route is meant.
    #[error("the path can be read in another way, which leads elsewhere")]
    Ambiguous,
}

impl RouteMatch {
    /// Whether a request has all that is asked, with the path read as it stands.
    ///
    /// This judges one route alone. A [`Table`](super::Table) also sees that a path which can be
    /// read in two ways leads to one place.
    ///
    /// # Errors
    ///
    /// What the request lacks.
    pub fn check<'r>(&self, request: impl Into<RequestHead<'r>>) -> Result<(), Mismatch> {
        let head = request.into();
        let host = head.host.unwrap_or_default();
        if self
            .host
            .as_ref()
            .is_some_and(|wanted| !wanted.is_match(host))
        {
            return Err(Mismatch::Host);
        }
        if !self.path.is_match(head.path) {
            return Err(Mismatch::Path);
        }
        self.check_rest(&head)
    }

    /// Method, headers and query, once host and path are known to match.
    pub(super) fn check_rest(&self, head: &RequestHead<'_>) -> Result<(), Mismatch> {
        if self
            .method
            .as_ref()
            .is_some_and(|method| method != head.method)
        {
            return Err(Mismatch::Method);
        }
        if let Some(lacking) = self
            .headers
            .iter()
            .find(|header| !header.is_match(head.headers))
        {
            return Err(Mismatch::Header(lacking.name().clone()));
        }
        let query = head.query.unwrap_or_default();
        match self.query.iter().find(|wanted| !wanted.is_match(query)) {
            Some(lacking) => Err(Mismatch::Query(lacking.name().into())),
            None => Ok(()),
        }
    }

    /// Whether host and path are all that is asked.
    pub(super) fn is_bare(&self) -> bool {
        self.method.is_none() && self.headers.is_empty() && self.query.is_empty()
    }

    /// Without entries that repeat a name and so do not count.
    pub(super) fn without_repeats(mut self) -> Self {
        let mut seen = Vec::new();
        self.headers
            .retain(|header| first(&mut seen, header.name().clone()));
        let mut seen = Vec::new();
        self.query
            .retain(|query| first(&mut seen, query.name().to_owned()));
        self
    }
}

fn first<N: PartialEq>(seen: &mut Vec<N>, name: N) -> bool {
    let new = !seen.contains(&name);
    if new {
        seen.push(name);
    }
    new
}
