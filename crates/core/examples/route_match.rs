//! What finding a route costs: `cargo run --release --example route_match -- <routes> <matches>`.
//!
//! Builds a table of so many routes, spread over hosts and prefixes, looks up so many requests and
//! prints a checksum of what they found. Under `valgrind --tool=callgrind`, the difference between
//! N and 2N matches is what N matches cost without the building.

use std::env;
use std::error::Error;
use std::io::{Write, stdout};

use http::request::Parts;
use http::{HeaderMap, Request};
use portcullis_core::route::{HostMatch, PathMatch, RequestHead, RouteMatch, Table};

/// Routes of one host.
const PER_HOST: usize = 10;
const PATHS: [&str; PER_HOST] = [
    "/",
    "/v1",
    "/v1/chat",
    "/v1/models",
    "/mcp",
    "/mcp/tools",
    "/a2a/agents",
    "/api/internal/reports",
    "/openai/deployments",
    "/health",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).map(|arg| arg.parse::<usize>());
    let mut number = || {
        numbers
            .next()
            .ok_or("expected the numbers of routes and of matches")
    };
    let (routes, matches) = (number()??, number()??);

    let table: Table<usize> = (0..routes)
        .map(|n| Ok((route(n)?, n)))
        .collect::<Result<_, _>>()?;
    let requests = (0..64)
        .map(|n| request(n, routes))
        .collect::<Result<Vec<_>, _>>()?;
    let mut checksum = 0;
    for request in requests.iter().cycle().take(matches) {
        let found = table.find(head(request)).map_or(0, |n| n + 1);
        checksum = std::hint::black_box(checksum * 31 + found) % 1_000_003;
    }
    writeln!(stdout(), "{checksum}")?;
    Ok(())
}

fn host(n: usize) -> String {
    format!("team-{}.gateway.example.com", n / PER_HOST)
}

/// Every tenth host is a wildcard.
fn route(n: usize) -> Result<RouteMatch, Box<dyn Error>> {
    let wildcard = if n / PER_HOST % 10 == 9 { "*." } else { "" };
    Ok(RouteMatch {
        host: Some(HostMatch::new(&format!("{wildcard}{}", host(n)))?),
        path: PathMatch::prefix(PATHS[n % PER_HOST])?,
        ..RouteMatch::default()
    })
}

/// Requests for all parts of the table, and some for what is nowhere in it.
fn request(n: usize, routes: usize) -> Result<Parts, http::Error> {
    let target = n * routes / 64;
    let below = ["", "/completions", "/a/b"][n % 3];
    let uri = format!(
        "{}{below}?stream=true",
        PATHS[target % PER_HOST].trim_end_matches('/')
    );
    let uri = if uri.starts_with('/') {
        uri
    } else {
        format!("/{uri}")
    };
    let host = if n % 16 == 7 {
        "nowhere.example.org".into()
    } else {
        host(target)
    };
    Ok(Request::post(uri)
        .header("host", host)
        .body(())?
        .into_parts()
        .0)
}

fn head(parts: &Parts) -> RequestHead<'_> {
    RequestHead::from(parts)
}
