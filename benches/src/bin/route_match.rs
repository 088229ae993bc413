//! What finding a route costs: `route_match ROUTES MATCHES`.
//!
//! Builds a table of so many routes, spread over hosts and prefixes, looks up so many requests and
//! prints a checksum of what they found. Under `valgrind --tool=callgrind`, the difference between
//! N and 2N matches is what N matches cost without the building.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::io::{Write, stdout};

use http::Request;
use http::request::Parts;

use portcullis_core::route::{HostMatch, MatchError, PathMatch, RouteMatch, Table};

/// The prefixes of each host.
const PATHS: [&str; 10] = [
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
/// How many different requests take turns.
const REQUESTS: usize = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).map(|arg| arg.parse::<usize>());
    let mut number = || {
        numbers
            .next()
            .ok_or("expected the numbers of routes and of matches")
    };
    let (routes, matches) = (number()??, number()??);

    let table = (0..routes).map(|n| Ok((route(n)?, n)));
    let table = table.collect::<Result<Table<usize>, MatchError>>()?;
    let hosts = routes.div_ceil(PATHS.len());
    let requests = (0..REQUESTS).map(|n| request(n, n * hosts / REQUESTS));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let mut checksum = 0;
    for request in requests.iter().cycle().take(matches) {
        let found = table.find(black_box(request)).map_or(0, |n| n + 1);
        checksum = (checksum * 31 + found) % 1_000_003;
    }
    writeln!(stdout(), "{checksum}")?;
    Ok(())
}

fn route(n: usize) -> Result<RouteMatch, MatchError> {
    let host = n / PATHS.len();
    let wildcard = if is_wildcard(host) { "*." } else { "" };
    Ok(RouteMatch {
        host: Some(HostMatch::new(&format!(
            "{wildcard}team-{host}.example.com"
        ))?),
        path: PathMatch::prefix(PATHS[n % PATHS.len()])?,
        ..RouteMatch::default()
    })
}

/// A request for one of the routes of `host`; every twelfth is for a host of no route.
fn request(n: usize, host: usize) -> Result<Parts, http::Error> {
    let path = PATHS[n % PATHS.len()].trim_end_matches('/');
    let below = ["/", "/completions", "/a/b"][n % 3];
    let labels = if is_wildcard(host) { "eu.api." } else { "" };
    let host = match n % 12 {
        7 => "nowhere.example.org".to_owned(),
        _ => format!("{labels}team-{host}.example.com:8080"),
    };
    let request = Request::post(format!("{path}{below}?stream=true")).header("host", host);
    Ok(request.body(())?.into_parts().0)
}

fn is_wildcard(host: usize) -> bool {
    host % 10 == 9
}
