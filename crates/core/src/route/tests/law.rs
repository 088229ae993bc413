//! The indexed table against a scan over plain strings that shares none of its code.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;

use http::{HeaderMap, HeaderName, Method};
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use crate::route::*;

/// A route as someone would write it.
#[derive(Clone, Debug)]
struct Written {
    host: Option<String>,
    path: (How, String),
    headers: Vec<(String, How, String)>,
    query: Vec<(String, How, String)>,
    method: Option<Method>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    Exact,
    Regex,
    Prefix,
}

#[derive(Clone, Debug)]
struct Asked {
    host: Option<String>,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    method: Method,
}

fn built(route: &Written) -> RouteMatch {
    let path = match route.path.0 {
        How::Exact => PathMatch::exact(&route.path.1),
        How::Regex => PathMatch::regex(&route.path.1),
        How::Prefix => PathMatch::prefix(&route.path.1),
    };
    let header = |(name, how, value): &(String, How, String)| match how {
        How::Regex => HeaderMatch::regex(name, value).unwrap(),
        _ => HeaderMatch::exact(name, value).unwrap(),
    };
    let query = |(name, how, value): &(String, How, String)| match how {
        How::Regex => QueryMatch::regex(name, value).unwrap(),
        _ => QueryMatch::exact(name, value).unwrap(),
    };
    RouteMatch {
        host: route
            .host
            .as_deref()
            .map(|host| HostMatch::new(host).unwrap()),
        path: path.unwrap(),
        headers: route.headers.iter().map(header).collect(),
        query: route.query.iter().map(query).collect(),
        method: route.method.clone(),
    }
}

fn full(pattern: &str, value: &str) -> bool {
    thread_local!(static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default());
    COMPILED.with_borrow_mut(|compiled| {
        let whole = format!("^(?:{pattern})$");
        let regex = compiled
            .entry(whole)
            .or_insert_with_key(|whole| Regex::new(whole).unwrap());
        regex.is_match(value)
    })
}

fn host_matches(wanted: &str, host: &str) -> bool {
    let host = host
        .split(':')
        .next()
        .unwrap()
        .trim_end_matches('.')
        .to_lowercase();
    match wanted.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => host == wanted,
    }
}

fn path_matches((how, wanted): &(How, String), path: &str) -> bool {
    let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    match how {
        How::Exact => wanted == path,
        How::Regex => full(wanted, path),
        // `*` and the empty path included.
        How::Prefix if wanted == "/" => true,
        How::Prefix => segments(path).starts_with(&segments(wanted.trim_end_matches('/'))),
    }
}

fn pairs_match(wanted: &[(String, How, String)], sent: &[(String, String)]) -> bool {
    first_of_each(wanted).into_iter().all(|(name, how, value)| {
        let sent = sent.iter().find(|(sent, _)| sent == name);
        sent.is_some_and(|(_, sent)| match how {
            How::Regex => full(value, sent),
            _ => value == sent,
        })
    })
}

fn first_of_each(wanted: &[(String, How, String)]) -> Vec<&(String, How, String)> {
    let is_first = |n: &usize| wanted[..*n].iter().all(|earlier| earlier.0 != wanted[*n].0);
    (0..wanted.len())
        .filter(is_first)
        .map(|n| &wanted[n])
        .collect()
}

/// None if there are dot segments.
fn normal(path: &str) -> Option<String> {
    let path = path
        .replace("%61", "a")
        .replace("%2e", ".")
        .replace("%c3", "%C3");
    let mut path = path
        .replace("%2F", "/")
        .replace("%2f", "/")
        .replace('\\', "/");
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if path.split('/').any(is_dots) {
        return None;
    }
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    Some(path)
}

fn scan(routes: &[Written], asked: &Asked, path: &str) -> Option<usize> {
    let matches = |route: &Written| {
        route.host.as_ref().is_none_or(|wanted| {
            asked
                .host
                .as_ref()
                .is_some_and(|host| host_matches(wanted, host))
        }) && path_matches(&route.path, path)
            && route
                .method
                .as_ref()
                .is_none_or(|method| *method == asked.method)
            && pairs_match(&route.headers, &asked.headers)
            && pairs_match(&route.query, &asked.query)
    };
    let key = |n: &usize| {
        let route = &routes[*n];
        let host = route.host.as_deref().unwrap_or("*");
        let length = match route.path.0 {
            How::Exact => 0,
            How::Regex => route.path.1.len(),
            How::Prefix => route.path.1.trim_end_matches('/').len(),
        };
        let counts =
            [&route.headers, &route.query].map(|pairs| Reverse(first_of_each(pairs).len()));
        let host = (host.starts_with('*'), Reverse(host.len()));
        (
            host,
            route.path.0,
            Reverse(length),
            route.method.is_none(),
            counts,
            *n,
        )
    };
    (0..routes.len())
        .filter(|&n| matches(&routes[n]))
        .min_by_key(key)
}

fn reference(routes: &[Written], asked: &Asked) -> Option<usize> {
    let found = scan(routes, asked, &asked.path);
    found.filter(|_| normal(&asked.path).is_some_and(|path| scan(routes, asked, &path) == found))
}

fn joined(parts: Vec<&'static str>) -> String {
    parts.into_iter().flat_map(|part| ["/", part]).collect()
}

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = Vec<(String, How, String)>> {
    let value = prop_oneof![
        5 => select(vec!["1", "2"]).prop_map(|value| (How::Exact, value)),
        1 => select(vec!["[12]", "1|12", ".*"]).prop_map(|value| (How::Regex, value)),
    ];
    let pair = (select(names), value).prop_map(|(n, (how, v))| (n.to_owned(), how, v.to_owned()));
    prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(pair, 1..4)]
}

fn written() -> impl Strategy<Value = Written> {
    let hosts = vec![
        "c", "b.c", "a.b.c", "x.a.b.c", "b.d", "*.c", "*.b.c", "*.a.b.c", "*.d",
    ];
    let segments = select(vec!["a", "b", "ab", "%C3%A9", "a;b", ".a"]);
    let path = prop::collection::vec(segments, 0..4).prop_map(joined);
    let path = prop_oneof![
        4 => path.clone()
            .prop_map(|path| (How::Exact, if path.is_empty() { "/".into() } else { path })),
        4 => path.prop_map(|path| (How::Prefix, path + "/")),
        1 => select(vec![
            "/a.*",
            "/[ab]/[ab]",
            "/a|/ab",
            ".*b",
            "/b.*",
            "(?i)/A/.*"
        ])
        .prop_map(|pattern| (How::Regex, pattern.to_owned())),
    ];
    let host = prop::option::of(select(hosts).prop_map(str::to_owned));
    let method = prop::option::weighted(0.3, select(vec![Method::GET, Method::POST]));
    (
        host,
        path,
        pairs(&["h", "i", "j"]),
        pairs(&["q", "r"]),
        method,
    )
        .prop_map(|(host, path, headers, query, method)| Written {
            host,
            path,
            headers,
            query,
            method,
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    let name = select(vec![
        "c",
        "b.c",
        "a.b.c",
        "A.B.c",
        "y.b.c",
        "z.y.a.b.c",
        "b.d",
        "q.d",
        "e",
    ]);
    let tail = select(vec!["", "", ":80", ".", ".:443"]);
    let host = prop::option::weighted(
        0.9,
        (name, tail).prop_map(|(name, tail)| format!("{name}{tail}")),
    );
    let plain = select(vec!["a", "b", "ab", "%C3%A9", "a;b", ".a"]);
    let odd = select(vec![
        "", "", "%61", "%c3%A9", "b%2Fa", "a%2f", "a\\b", "..", "%2e", "..;", "a%zz",
    ]);
    let path = prop::collection::vec(prop_oneof![12 => plain, 1 => odd], 0..5).prop_map(joined);
    let path = prop_oneof![30 => path, 1 => Just("*".to_owned())];
    let sent = |names: Vec<&'static str>| {
        let pair = (select(names), select(vec!["1", "2", "12", "3"]));
        prop::collection::vec(pair.prop_map(|(n, v)| (n.to_owned(), v.to_owned())), 0..4)
    };
    let method = select(vec![Method::GET, Method::POST, Method::PUT]);
    (
        host,
        path,
        sent(vec!["q", "r", "s"]),
        sent(vec!["h", "i"]),
        method,
    )
        .prop_map(|(host, path, query, mut headers, method)| {
            // A header sent twice is one joined value: a matter of `HeaderMatch` alone.
            headers.sort();
            headers.dedup_by(|a, b| a.0 == b.0);
            Asked {
                host,
                path,
                query,
                headers,
                method,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        routes in prop::collection::vec(written(), 0..40),
        requests in prop::collection::vec(asked(), 1..24),
    ) {
        let table: Table<usize> = routes.iter().map(built).zip(0..).collect();
        for asked in &requests {
            let expected = reference(&routes, asked);
            let pairs = asked.query.iter().map(|(name, value)| format!("{name}={value}"));
            let query = pairs.collect::<Vec<_>>().join("&");
            let headers = asked.headers.iter().map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
            });
            let headers: HeaderMap = headers.collect();
            let head = RequestHead {
                method: &asked.method,
                host: asked.host.as_deref(),
                path: &asked.path,
                query: Some(&query),
                headers: &headers,
            };
            prop_assert_eq!(table.find(head).copied(), expected, "{:?}", asked);
            let candidates = table.candidates(head);
            let explained = candidates.iter().find(|candidate| candidate.mismatch.is_none());
            prop_assert_eq!(explained.map(|candidate| *candidate.value), expected, "{:?}", asked);
        }
    }
}
