//! Route stretch: a table of routes and a request, both from the same bytes.

use portcullis::core::llm::api_path;
use portcullis::core::route::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteMatch, Table};

/// Lines: a method, a target, a host, a header; then routes, each a kind of match and its pattern. What is
/// found matches; what is in first place of those that match is found.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default();
    let builder = http::Request::builder().method(next()).uri(next());
    let Ok(request) = builder
        .header("host", next())
        .header("x-a", next())
        .body(())
    else {
        return;
    };
    let mut table = Table::builder();
    for (n, line) in lines.take(64).enumerate() {
        if let Some(route) = route(line) {
            table = table.route(route, n);
        }
    }
    let table = table.build();
    let found = table.find(&request);
    let candidates = table.candidates(&request);
    assert_eq!(candidates.len(), table.len());
    if let Some(found) = found {
        let (winner, _) = table
            .iter()
            .find(|(_, n)| *n == found)
            .expect("it is in the table");
        assert_eq!(winner.check(&request), Ok(()), "what is found matches");
        let first = table
            .iter()
            .find(|(route, _)| route.check(&request).is_ok());
        assert_eq!(
            first.map(|(_, n)| n),
            Some(found),
            "the first that matches is found"
        );
    }
    let path = request.uri().path();
    assert!(path.ends_with(api_path(path)));
}

fn route(line: &str) -> Option<RouteMatch> {
    let (kind, pattern) = line.split_at_checked(1)?;
    let mut route = RouteMatch::default();
    match kind {
        "h" => route.host = Some(HostMatch::new(pattern).ok()?),
        "e" => route.path = PathMatch::exact(pattern).ok()?,
        "p" => route.path = PathMatch::prefix(pattern).ok()?,
        "r" => route.path = PathMatch::regex(pattern).ok()?,
        "m" => route.method = Some(pattern.parse().ok()?),
        "a" => route.headers.push(HeaderMatch::exact("x-a", pattern).ok()?),
        "x" => route.headers.push(HeaderMatch::regex("x-a", pattern).ok()?),
        "q" => route.query.push(QueryMatch::exact("q", pattern).ok()?),
        _ => route.query.push(QueryMatch::regex("q", pattern).ok()?),
    }
    Some(route)
}
