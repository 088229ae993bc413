//! Route stretch: a request in, its route out.

use std::fmt;
use std::ops::Range;

use super::head::RequestHead;
use super::hosts::{Host, Hosts};
use super::path::Kind;
use super::precedence::compare;
use super::reading::{Reading, read};
use super::route_match::RouteMatch;
use super::tree::{Planter, Tree};

/// Routes, indexed so that finding one costs about the same in a table of ten and of ten thousand.
///
/// Hosts are found by hash, wildcards label by label from the longest, paths by walking their
/// segments through a tree. Looked at one after the other are only the routes of one host whose
/// path is an expression, and the routes of one host and path that differ in method, headers or
/// query.
///
/// A table cannot change: build another. A clone copies it; share one behind an `Arc`.
///
/// ```
/// use http::Request;
/// use portcullis_core::route::{PathMatch, RouteMatch, Table};
///
/// let path = |path| RouteMatch { path, ..RouteMatch::default() };
/// let table: Table<&str> = [
///     (path(PathMatch::prefix("/")?), "everything else"),
///     (path(PathMatch::prefix("/v1")?), "models"),
///     (path(PathMatch::exact("/v1/health")?), "health"),
/// ]
/// .into_iter()
/// .collect();
///
/// let find = |path| table.find(&Request::get(path).body(()).unwrap()).copied();
/// assert_eq!(find("/v1/chat/completions"), Some("models"));
/// assert_eq!(find("/v1/health"), Some("health"));
/// assert_eq!(find("/v10"), Some("everything else"));
/// assert_eq!(find("/v1/../admin"), None);
/// # Ok::<(), portcullis_core::route::MatchError>(())
/// ```
#[derive(Clone)]
pub struct Table<T> {
    /// In order of precedence, so that routes of one host and path stand together.
    routes: Box<[(RouteMatch, T)]>,
    hosts: Hosts,
    tree: Tree,
}

/// Collects the routes of a [`Table`].
#[derive(Clone)]
pub struct TableBuilder<T> {
    routes: Vec<(RouteMatch, T)>,
}

impl<T> Table<T> {
    /// A table to put routes into, older ones first.
    pub fn builder() -> TableBuilder<T> {
        TableBuilder { routes: Vec::new() }
    }

    /// What belongs to the route that wins for this request, if any matches.
    ///
    /// Which route wins is told in [the module](super#which-route-wins), as are
    /// [paths that can be read in two ways](super#paths-that-can-be-read-in-two-ways), for which
    /// there may be none. Allocates for expressions and for such paths only.
    pub fn find<'r>(&self, request: impl Into<RequestHead<'r>>) -> Option<&T> {
        let head = request.into();
        self.position(&head).map(|n| &self.routes[n].1)
    }

    /// All routes in order of precedence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&RouteMatch, &T)> {
        self.routes.iter().map(|(route, value)| (route, value))
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The place of the winning route in [`iter`](Self::iter).
    pub(super) fn position(&self, head: &RequestHead<'_>) -> Option<usize> {
        match read(head.path) {
            Reading::Plain => self.search(head, head.path),
            Reading::Refused => None,
            Reading::Ambiguous(normal) => {
                let as_sent = self.search(head, head.path);
                as_sent.filter(|_| self.search(head, &normal) == as_sent)
            }
        }
    }

    fn search(&self, head: &RequestHead<'_>, path: &str) -> Option<usize> {
        self.hosts
            .matching(head.host)
            .find_map(|host| self.search_host(host, head, path))
    }

    fn search_host(&self, host: &Host, head: &RequestHead<'_>, path: &str) -> Option<usize> {
        let walk = self.tree.walk(host.root, path);
        if walk.whole
            && let Some(found) = self.first(&walk.node.exact, |route| holds(route, head))
        {
            return Some(found);
        }
        let by_regex = |route: &RouteMatch| route.path.is_match(path) && holds(route, head);
        if let Some(found) = self.first(&host.regexes, by_regex) {
            return Some(found);
        }
        let mut node = walk.node;
        loop {
            if let Some(found) = self.first(&node.prefix, |route| holds(route, head)) {
                return Some(found);
            }
            node = self.tree.node(node.above?);
        }
    }

    fn first(&self, range: &Range<u32>, is: impl Fn(&RouteMatch) -> bool) -> Option<usize> {
        let mut range = range.start as usize..range.end as usize;
        range.find(|&n| is(&self.routes[n].0))
    }
}

impl<T> TableBuilder<T> {
    /// Adds a route. Among routes that match equally well the one added first wins.
    #[must_use]
    pub fn route(mut self, route: RouteMatch, value: T) -> Self {
        self.routes.push((route, value));
        self
    }

    /// The table of the routes added so far.
    ///
    /// # Panics
    ///
    /// At 2³² routes or path segments.
    pub fn build(self) -> Table<T> {
        let without_repeats = |(route, value): (RouteMatch, T)| (route.without_repeats(), value);
        let mut routes: Vec<_> = self.routes.into_iter().map(without_repeats).collect();
        routes.sort_by(|(a, _), (b, _)| compare(a, b));
        let (hosts, tree) = plant(routes.iter().map(|(route, _)| route));
        Table {
            routes: routes.into(),
            hosts: Hosts::new(hosts),
            tree,
        }
    }
}

impl<T> FromIterator<(RouteMatch, T)> for Table<T> {
    fn from_iter<I: IntoIterator<Item = (RouteMatch, T)>>(routes: I) -> Self {
        TableBuilder {
            routes: routes.into_iter().collect(),
        }
        .build()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("routes", &self.len())
            .field("hosts", &self.hosts.iter().count())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for TableBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableBuilder")
            .field("routes", &self.routes.len())
            .finish_non_exhaustive()
    }
}

/// Method, headers and query of a route whose host and path match.
fn holds(route: &RouteMatch, head: &RequestHead<'_>) -> bool {
    route.is_bare() || route.check_rest(head).is_ok()
}

/// Files routes, given in order of precedence, under their hosts and paths.
fn plant<'r>(routes: impl Iterator<Item = &'r RouteMatch>) -> (Vec<Host>, Tree) {
    let mut hosts: Vec<Host> = Vec::new();
    let mut planter = Planter::default();
    for (n, route) in (0_u32..).zip(routes) {
        if hosts.last().is_none_or(|last| last.name != route.host) {
            let (name, root) = (route.host.clone(), planter.root());
            hosts.push(Host {
                name,
                root,
                regexes: 0..0,
                wider: None,
            });
        }
        let host = hosts
            .last_mut()
            .expect("one has just been pushed if there was none");
        extend(
            n,
            match &route.path.0 {
                Kind::Exact(path) => &mut planter.at(host.root, path).exact,
                Kind::Regex(_) => &mut host.regexes,
                Kind::Prefix(path) => &mut planter.at(host.root, path).prefix,
            },
        );
    }
    (hosts, planter.finish())
}

/// Routes of one place come one after the other.
fn extend(n: u32, range: &mut Range<u32>) {
    let start = if range.start == range.end {
        n
    } else {
        range.start
    };
    *range = start..n + 1;
}
