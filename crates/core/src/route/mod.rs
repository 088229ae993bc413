//! Route stretch: from a request's host, path, method, headers and query to its route.
//!
//! A [`Table`] holds what routes ask ([`RouteMatch`]) and what belongs to them, and finds the one
//! that wins for a request. It does no IO, keeps no state and never changes the request.
//! [`Table::candidates`] tells why the others did not match.
//!
//! ```
//! use http::Request;
//! use portcullis_core::route::{HostMatch, PathMatch, RouteMatch, Table};
//!
//! let table = Table::builder()
//!     .route(RouteMatch { path: PathMatch::prefix("/v1")?, ..RouteMatch::default() }, "shared")
//!     .route(
//!         RouteMatch { host: Some(HostMatch::new("*.team.example")?), ..RouteMatch::default() },
//!         "team",
//!     )
//!     .build();
//! let request = Request::get("/v1/models").header("host", "api.team.example:8080").body(())?;
//! assert_eq!(table.find(&request), Some(&"team"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which route wins
//!
//! Of the routes that match, as the Gateway API orders them (`HTTPRouteSpec.hostnames`,
//! `HTTPRouteRule.matches`):
//!
//! 1. the one whose host is an exact name, else the longest wildcard, else none;
//! 2. the one whose path is exact, else the longest expression, else the longest prefix;
//! 3. the one that asks for a method;
//! 4. the one that asks for most headers, 5. for most query parameters;
//! 6. the one added first.
//!
//! The Gateway API leaves the place of expressions open. They stand before prefixes, since behind
//! them the usual catch-all prefix `/` would leave them nothing. The price: a request without an
//! exact route tries the expressions of its host first.
//!
//! The order is one of routes that match. A host narrows nothing by itself: where none of the
//! routes of `api.example.com` matches, one of `*.example.com` or of no host still may, since that
//! is what it was written for, and adding a route for one path of one host must not take the other
//! paths away.
//!
//! # Paths that can be read in two ways
//!
//! Upstreams differ in what they make of `/a//b`, `/a%2Fb` or `/%61`. The path goes to them as it
//! came, so a route chosen by another reading than theirs would be a way around the policies of
//! the route they take it for. Therefore:
//!
//! - A path with a `.` or `..` segment has **no route**, also if dots or slashes are escaped
//!   (`%2e`, `%2f`, `%5c`), slashes are backslashes, or a `;` follows the dots. Clients that
//!   follow the URL standard resolve such segments before they send.
//! - A path with doubled slashes, an escaped slash, a backslash, an escaped letter, digit or one of
//!   `-._~`, or an escape in lower case is looked up as sent and in its normal form (RFC 3986
//!   §6.2.2, with `/` for every kind of slash and single slashes). If both lead to one and the
//!   same route (one entry of the table), that is the route; otherwise there is **none**. So `/model/arn%3Aaws%2Fx/invoke`
//!   reaches the prefix `/model`, and `//admin` does not slip past the prefix `/admin` into `/`.
//!   Routes without an expression stay safe also from upstreams that normalise in part.
//! - All other paths match as they stand. Escapes are decoded once, `;` has no meaning, letters
//!   keep their case: an upstream that decodes twice, cuts parameters off segments or ignores case
//!   needs routes that are not told apart by these.
//!
//! A target without a path (`*`, CONNECT) matches the prefix `/` and expressions.

mod error;
mod explain;
mod head;
mod header;
mod host;
mod hosts;
mod index;
mod path;
mod pattern;
mod precedence;
mod query;
mod reading;
mod route_match;
mod table;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use error::MatchError;
pub use explain::Candidate;
pub use head::RequestHead;
pub use header::HeaderMatch;
pub use host::HostMatch;
pub use path::PathMatch;
pub use query::QueryMatch;
pub use route_match::{Mismatch, RouteMatch};
pub use table::{Table, TableBuilder};
