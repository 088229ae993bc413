use http::{HeaderMap, Method, Request};

use crate::route::*;

fn host(host: &str) -> RouteMatch {
    RouteMatch {
        host: Some(HostMatch::new(host).unwrap()),
        ..RouteMatch::default()
    }
}

fn exact(path: &str) -> RouteMatch {
    RouteMatch {
        path: PathMatch::exact(path).unwrap(),
        ..RouteMatch::default()
    }
}

fn prefix(path: &str) -> RouteMatch {
    RouteMatch {
        path: PathMatch::prefix(path).unwrap(),
        ..RouteMatch::default()
    }
}

fn regex(path: &str) -> RouteMatch {
    RouteMatch {
        path: PathMatch::regex(path).unwrap(),
        ..RouteMatch::default()
    }
}

fn header(name: &str) -> HeaderMatch {
    HeaderMatch::exact(name, "1").unwrap()
}

fn query(name: &str) -> QueryMatch {
    QueryMatch::exact(name, "1").unwrap()
}

/// The names of the routes are their numbers.
fn table(routes: impl IntoIterator<Item = RouteMatch>) -> Table<usize> {
    routes.into_iter().zip(0..).collect()
}

fn find(table: &Table<usize>, host: &str, path: &str) -> Option<usize> {
    let headers = HeaderMap::new();
    let host = (!host.is_empty()).then_some(host);
    let head = RequestHead {
        method: &Method::GET,
        host,
        path,
        query: None,
        headers: &headers,
    };
    table.find(head).copied()
}

#[test]
fn an_empty_table_finds_nothing() {
    let empty = Table::<usize>::default();
    assert!(empty.is_empty() && find(&empty, "a.b", "/").is_none());
}

#[test]
fn the_most_specific_host_wins_before_any_path() {
    let at = |name: &str, path| RouteMatch {
        host: host(name).host,
        ..path
    };
    let table = table([
        exact("/a"),
        at("*.c", exact("/a")),
        at("*.b.c", exact("/a")),
        at("a.b.c", prefix("/")),
    ]);
    assert_eq!(find(&table, "A.b.c:443", "/a"), Some(3));
    assert_eq!(find(&table, "x.b.c", "/a"), Some(2));
    assert_eq!(find(&table, "x.a.b.c.", "/a"), Some(2));
    assert_eq!(find(&table, "b.c", "/a"), Some(1));
    assert_eq!(find(&table, "c", "/a"), Some(0));
    assert_eq!(find(&table, "u@a.b.c", "/a"), Some(0));
    assert_eq!(find(&table, "", "/a"), Some(0));
}

#[test]
fn a_less_specific_host_serves_what_a_more_specific_one_does_not() {
    let at = |name: &str, path| RouteMatch {
        host: host(name).host,
        ..path
    };
    let table = table([
        prefix("/any"),
        at("*.c", prefix("/wide")),
        at("a.b.c", prefix("/own")),
    ]);
    assert_eq!(find(&table, "a.b.c", "/own"), Some(2));
    assert_eq!(find(&table, "a.b.c", "/wide"), Some(1));
    assert_eq!(find(&table, "a.b.c", "/any"), Some(0));
    assert_eq!(find(&table, "a.b.c", "/none"), None);
}

#[test]
fn exact_beats_expression_beats_prefix_and_longer_beats_shorter() {
    let table = table([
        prefix("/"),
        prefix("/a/b"),
        prefix("/a"),
        regex("/r.*"),
        regex("/r/.*"),
        prefix("/r/long/prefix"),
        exact("/r/x"),
        exact("/a/b"),
    ]);
    for (path, expected) in [
        ("/", 0),
        ("/ab", 0),
        ("/a", 2),
        ("/a/", 2),
        ("/a/c/b", 2),
        ("/a/b", 7),
        ("/a/b/", 1),
        ("/r/long/prefix", 4),
        ("/r/x", 6),
        ("/rest", 3),
        ("*", 0),
        ("", 0),
    ] {
        assert_eq!(find(&table, "", path), Some(expected), "{path}");
    }
}

#[test]
fn method_headers_and_query_break_ties_in_this_order() {
    let table = table([
        prefix("/"),
        prefix("/"),
        RouteMatch {
            query: vec![query("a"), query("b")],
            ..prefix("/")
        },
        RouteMatch {
            headers: vec![header("a")],
            query: vec![query("a")],
            ..prefix("/")
        },
        RouteMatch {
            headers: vec![header("a"), header("b")],
            ..prefix("/")
        },
        RouteMatch {
            method: Some(Method::POST),
            ..prefix("/")
        },
    ]);
    let find = |method, uri: &str, names: &[&str]| {
        let mut request = Request::builder().method(method).uri(uri);
        for name in names {
            request = request.header(*name, "1");
        }
        table.find(&request.body(()).unwrap()).copied()
    };
    assert_eq!(find(Method::POST, "/?a=1&b=1", &["a", "b"]), Some(5));
    assert_eq!(find(Method::GET, "/?a=1&b=1", &["a", "b"]), Some(4));
    assert_eq!(find(Method::GET, "/?a=1&b=1", &["a"]), Some(3));
    assert_eq!(find(Method::GET, "/?a=1&b=1", &["b"]), Some(2));
    assert_eq!(find(Method::GET, "/?b=1", &["a"]), Some(0));
}

#[test]
fn entries_that_repeat_a_name_count_neither_to_match_nor_to_win() {
    let other = HeaderMatch::exact("A", "2").unwrap();
    let repeated = RouteMatch {
        headers: vec![header("a"), other],
        ..prefix("/")
    };
    let table = table([
        RouteMatch {
            headers: vec![header("b")],
            ..prefix("/")
        },
        repeated,
    ]);
    let request = Request::get("/")
        .header("a", "1")
        .header("b", "1")
        .body(())
        .unwrap();
    assert_eq!(table.find(&request), Some(&0));
    let request = Request::get("/").header("a", "1").body(()).unwrap();
    assert_eq!(table.find(&request), Some(&1));
}

#[test]
fn a_path_of_two_readings_is_routed_if_both_lead_to_one_route() {
    let table = table([
        prefix("/"),
        prefix("/admin"),
        prefix("/model"),
        exact("/model/x/y"),
    ]);
    for (path, expected) in [
        ("/model/arn%3Aaws%2Fx/invoke", Some(2)),
        ("/model//x", Some(2)),
        ("/%62", Some(0)),
        ("//admin", None),
        ("/%61dmin", None),
        ("/admin%2Fusers", None),
        ("/admin\\users", None),
        ("/model/x%2Fy", None),
        ("/model/../admin", None),
        ("/model/%2e%2e/model", None),
        ("/model/..;/model", None),
    ] {
        assert_eq!(find(&table, "", path), expected, "{path}");
    }
}

#[test]
fn candidates_tell_what_each_route_lacks() {
    let table = table([
        RouteMatch {
            host: host("x.y").host,
            ..prefix("/a")
        },
        RouteMatch {
            method: Some(Method::POST),
            ..prefix("/a")
        },
        RouteMatch {
            headers: vec![header("h")],
            ..prefix("/a")
        },
        RouteMatch {
            query: vec![query("q")],
            ..prefix("/a")
        },
        prefix("/b"),
        prefix("/a"),
        prefix("/"),
    ]);
    let reasons = |path: &str| -> Vec<_> {
        let request = Request::get(path).body(()).unwrap();
        table
            .candidates(&request)
            .into_iter()
            .map(|c| (*c.value, c.mismatch))
            .collect()
    };
    let judged = |last: Option<Mismatch>| {
        vec![
            (0, Some(Mismatch::Host)),
            (1, Some(Mismatch::Method)),
            (2, Some(Mismatch::Header("h".parse().unwrap()))),
            (3, Some(Mismatch::Query("q".into()))),
            (5, last.clone()),
            (4, Some(Mismatch::Path)),
            (6, last),
        ]
    };
    assert_eq!(reasons("/a"), judged(None));
    assert_eq!(reasons("/a/../b"), judged(Some(Mismatch::Ambiguous)));
}

#[test]
fn a_table_prints_without_its_values_printing() {
    struct Silent;
    let table: Table<Silent> = [(prefix("/"), Silent)].into_iter().collect();
    assert_eq!(format!("{table:?}"), "Table { routes: 1, hosts: 1, .. }");
}
