//! Route stretch: why a request took the route it took, for people who ask.

use super::head::RequestHead;
use super::reading::{Reading, read};
use super::route_match::{Mismatch, RouteMatch};
use super::table::Table;

/// A route of a table, judged for one request.
#[derive(Debug)]
pub struct Candidate<'t, T> {
    /// What the route asks.
    pub route: &'t RouteMatch,
    /// What belongs to it.
    pub value: &'t T,
    /// The first thing the request lacks; none if the route matches.
    pub mismatch: Option<Mismatch>,
}

impl<T> Table<T> {
    /// Judges every route for a request, in order of precedence.
    ///
    /// The first candidate without a mismatch is the one [`find`](Self::find) returns. Looks at
    /// all routes one after the other: for a command line or an admin page, not for traffic.
    ///
    /// ```
    /// use http::{Method, Request};
    /// use portcullis_core::route::{Mismatch, PathMatch, RouteMatch, Table};
    ///
    /// let table = Table::builder()
    ///     .route(RouteMatch::default(), "fallback")
    ///     .route(RouteMatch { method: Some(Method::POST), ..RouteMatch::default() }, "post")
    ///     .build();
    /// let why = table.candidates(&Request::get("/v1").body(())?);
    /// assert_eq!((*why[0].value, &why[0].mismatch), ("post", &Some(Mismatch::Method)));
    /// assert_eq!((*why[1].value, &why[1].mismatch), ("fallback", &None));
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn candidates<'r>(&self, request: impl Into<RequestHead<'r>>) -> Vec<Candidate<'_, T>> {
        let head = request.into();
        let nowhere = read(head.path) != Reading::Plain && self.position(&head).is_none();
        let judge = |(route, value)| {
            let mismatch = match RouteMatch::check(route, head) {
                Ok(()) if nowhere => Some(Mismatch::Ambiguous),
                judged => judged.err(),
            };
            Candidate {
                route,
                value,
                mismatch,
            }
        };
        self.iter().map(judge).collect()
    }
}
