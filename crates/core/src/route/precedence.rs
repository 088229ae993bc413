//! Route stretch: which of several matching routes wins.

use std::cmp::{Ordering, Reverse};

use super::host::HostMatch;
use super::path::{Kind, PathMatch};
use super::route_match::RouteMatch;

/// Orders the route that wins first; equal routes keep the order they were given in.
///
/// Where two routes of one rank can never match the same request (two exact paths, two prefixes
/// of one length) they are ordered by text, so that routes of one host and path stand together.
pub(super) fn compare(a: &RouteMatch, b: &RouteMatch) -> Ordering {
    compare_hosts(a.host.as_ref(), b.host.as_ref())
        .then_with(|| compare_paths(&a.path, &b.path))
        .then_with(|| rest(a).cmp(&rest(b)))
}

/// Exact names, then longer wildcards before shorter ones, then no host.
fn compare_hosts(a: Option<&HostMatch>, b: Option<&HostMatch>) -> Ordering {
    let rank = |host: Option<&HostMatch>| match host {
        Some(host) => (host.is_wildcard(), Reverse(host.name().len())),
        None => (true, Reverse(0)),
    };
    rank(a)
        .cmp(&rank(b))
        .then_with(|| a.map(HostMatch::name).cmp(&b.map(HostMatch::name)))
}

/// Exact paths, then longer expressions before shorter ones, then longer prefixes before shorter.
fn compare_paths(a: &PathMatch, b: &PathMatch) -> Ordering {
    let rank = |path: &PathMatch| match &path.0 {
        Kind::Exact(_) => (0, Reverse(0)),
        Kind::Regex(pattern) => (1, Reverse(pattern.as_str().len())),
        Kind::Prefix(prefix) => (2, Reverse(prefix.len())),
    };
    rank(a).cmp(&rank(b)).then_with(|| match (&a.0, &b.0) {
        (Kind::Exact(a), Kind::Exact(b)) | (Kind::Prefix(a), Kind::Prefix(b)) => a.cmp(b),
        _ => Ordering::Equal,
    })
}

/// A method first, then more headers, then more query parameters.
fn rest(route: &RouteMatch) -> (bool, Reverse<usize>, Reverse<usize>) {
    (
        route.method.is_none(),
        Reverse(route.headers.len()),
        Reverse(route.query.len()),
    )
}
