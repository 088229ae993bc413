//! What a build lets live, what it refuses, what it keeps of the last one, and what it says about it.

use portcullis_core::body::Body;
use portcullis_core::config::{ConfigError, Kind, Loaded, Pointer, Report, SourceMap, Unread};

use super::*;
use crate::source::ValueSource;

/// Builds the projects of some texts, each its own document.
fn load(texts: &[&str]) -> Loaded {
    let mut loaded = Loaded::default();
    for text in texts {
        let one = ValueSource::text(*text).read();
        assert!(one.unread.is_empty(), "{:?}", one.unread);
        loaded.projects.extend(one.projects);
    }
    loaded
}

fn build(
    by: RefuseBy,
    loaded: &Loaded,
    previous: &Snapshot,
) -> Result<(Snapshot, Report), Refusal> {
    let registry = crate::registry();
    let client = ArcService::from_fn(|_| async { unreachable!("a build reaches nobody") });
    let builder = Builder::new(&registry, client).refuse_by(by);
    builder.build(loaded, previous)
}

/// The first build of a configuration where nothing is wrong.
fn good(texts: &[&str]) -> Snapshot {
    let (snapshot, report) = build(RefuseBy::All, &load(texts), &Snapshot::default()).unwrap();
    assert!(report.is_ok(), "{report}");
    snapshot
}

/// Everything that is wrong with a configuration, a line each: object, place, words.
fn faults(texts: &[&str]) -> Vec<String> {
    let refusal = build(RefuseBy::All, &load(texts), &Snapshot::default()).unwrap_err();
    let errors = refusal.report.errors();
    errors
        .map(|(id, e)| format!("{id} {}: {}", e.at, e.what))
        .collect()
}

/// What a request to a path is answered with: a body, or the code of an error, or that no route matches.
async fn answer(snapshot: &Snapshot, listener: &str, path: &str) -> String {
    let (project, name) = listener.split_once('/').unwrap();
    let listener = ObjectId::new(project, Kind::Listener, name);
    let request = http::Request::get(path).body(Body::empty()).unwrap();
    let Some(served) = snapshot.find(&listener, &request) else {
        return "no route".to_owned();
    };
    match served.service.send(request).await {
        Err(e) => e.code().name.to_owned(),
        Ok(reply) => {
            assert!(reply.status().is_success());
            let body = reply.into_body().collect(1 << 10).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        }
    }
}

/// A project with one listener and one route for each path, which says what stands beside it.
fn project(name: &str, routes: &[(&str, &str)]) -> String {
    use std::fmt::Write as _;
    let port = 1000 + name.bytes().map(u32::from).sum::<u32>();
    let mut text = format!(
        "schemaVersion: 1\nproject: {name}\nlisteners: [{{name: web, address: \"127.0.0.1:{port}\"}}]\nroutes:\n"
    );
    for (path, body) in routes {
        let backend = match *body {
            "BROKEN" => "nowhere".to_owned(),
            "UNREADABLE" => "{directResponse: {status: 200}}, polices: []".to_owned(),
            body => format!("{{directResponse: {{status: 200, body: {body}}}}}"),
        };
        writeln!(
            text,
            "- {{match: {{path: {{exact: /{path}}}}}, backend: {backend}}}"
        )
        .unwrap();
    }
    text
}

const A: &str = "a/web";
const B: &str = "b/web";

#[tokio::test]
async fn every_project_answers_for_itself() {
    let (a, b) = (project("a", &[("x", "a1")]), project("b", &[("x", "b1")]));
    let snapshot = good(&[&a, &b]);
    assert_eq!(answer(&snapshot, A, "/x").await, "a1");
    assert_eq!(answer(&snapshot, B, "/x").await, "b1");
    assert_eq!(answer(&snapshot, A, "/y").await, "no route");
    assert_eq!(answer(&snapshot, "a/none", "/x").await, "no route");
}

#[tokio::test]
async fn by_all_one_fault_refuses_everything() {
    let (a, b) = (
        project("a", &[("x", "BROKEN")]),
        project("b", &[("x", "b1")]),
    );
    let refusal = build(RefuseBy::All, &load(&[&a, &b]), &Snapshot::default()).unwrap_err();
    let text = refusal.report.to_string();
    assert!(text.contains("b/route//x: ok"), "{text}");
    assert!(text.contains("a/route//x: refused\n  error: "), "{text}");
    assert!(text.contains("there is no backend `nowhere`"), "{text}");
}

#[tokio::test]
async fn by_project_a_bad_edit_keeps_its_last_build_and_the_others_change() {
    let (a, b) = (
        project("a", &[("x", "a1"), ("y", "a1")]),
        project("b", &[("x", "b1")]),
    );
    let last = good(&[&a, &b]);
    for bad in ["BROKEN", "UNREADABLE"] {
        let a = project("a", &[("x", "a2"), ("y", bad), ("z", "a2")]);
        let b = project("b", &[("x", "b2")]);
        let (next, report) = build(RefuseBy::Project, &load(&[&a, &b]), &last).unwrap();
        assert!(!report.is_ok());
        assert_eq!(answer(&next, A, "/x").await, "a1", "{bad}");
        assert_eq!(answer(&next, A, "/y").await, "a1", "{bad}");
        assert_eq!(answer(&next, A, "/z").await, "no route", "{bad}");
        assert_eq!(answer(&next, B, "/x").await, "b2", "{bad}");
        let fixed = project("a", &[("x", "a3")]);
        let (next, _) = build(RefuseBy::Project, &load(&[&fixed, &b]), &next).unwrap();
        assert_eq!(answer(&next, A, "/x").await, "a3");
        assert_eq!(answer(&next, A, "/y").await, "no route");
    }
}

#[tokio::test]
async fn a_bad_edit_keeps_the_listeners_of_the_last_build() {
    let a = project("a", &[("x", "a1")]);
    let last = good(&[&a]);
    for by in [RefuseBy::Project, RefuseBy::Object] {
        let bad = a.replace("name: web,", "name: web, adress: 1,");
        let (next, _) = build(by, &load(&[&bad]), &last).unwrap();
        assert_eq!(next.listeners().count(), 1, "{by:?}");
        assert_eq!(answer(&next, A, "/x").await, "a1", "{by:?}");
    }
}

#[tokio::test]
async fn what_was_refused_and_never_served_says_that_it_is_broken() {
    let (a, b) = (
        project("a", &[("x", "BROKEN"), ("y", "a1")]),
        project("b", &[("x", "b1")]),
    );
    let loaded = load(&[&a, &b]);
    let (by_project, _) = build(RefuseBy::Project, &loaded, &Snapshot::default()).unwrap();
    let (by_object, _) = build(RefuseBy::Object, &loaded, &Snapshot::default()).unwrap();
    for snapshot in [&by_project, &by_object] {
        assert_eq!(answer(snapshot, A, "/x").await, "route_broken");
        assert_eq!(answer(snapshot, B, "/x").await, "b1");
    }
    assert_eq!(answer(&by_project, A, "/y").await, "route_broken");
    assert_eq!(answer(&by_object, A, "/y").await, "a1");
}

#[tokio::test]
async fn by_object_only_what_is_wrong_keeps_its_last_build() {
    let last = good(&[&project("a", &[("x", "a1"), ("y", "a1"), ("gone", "a1")])]);
    for (bad, gone) in [("BROKEN", "no route"), ("UNREADABLE", "a1")] {
        let a = project("a", &[("x", "a2"), ("y", bad), ("z", "a2")]);
        let (next, report) = build(RefuseBy::Object, &load(&[&a]), &last).unwrap();
        assert_eq!(report.errors().count(), 1, "{report}");
        assert_eq!(answer(&next, A, "/x").await, "a2", "{bad}");
        assert_eq!(answer(&next, A, "/y").await, "a1", "{bad}");
        assert_eq!(answer(&next, A, "/z").await, "a2", "{bad}");
        // An unnamed route that cannot be read might be any of those that are missing.
        assert_eq!(answer(&next, A, "/gone").await, gone, "{bad}");
    }
}

#[tokio::test]
async fn by_object_a_named_route_that_cannot_be_read_is_kept_alone() {
    let named = |text: String| {
        text.replace(
            "- {match: {path: {exact: /y",
            "- {name: y, match: {path: {exact: /y",
        )
    };
    let last = good(&[&named(project("a", &[("x", "a1"), ("y", "a1")]))]);
    let a = named(project("a", &[("y", "UNREADABLE")]));
    let (next, _) = build(RefuseBy::Object, &load(&[&a]), &last).unwrap();
    assert_eq!(answer(&next, A, "/y").await, "a1");
    assert_eq!(answer(&next, A, "/x").await, "no route");
}

#[tokio::test]
async fn a_backend_that_was_refused_keeps_the_last_build_of_its_routes() {
    let text = |status: &str, other: &str| {
        format!(
            "{}- {{match: {{path: {{exact: /n}}}}, backend: n}}\nbackends: [{{name: n, directResponse: {{{status}, body: n1}}}}]\n",
            project("a", &[("x", other)])
        )
    };
    let last = good(&[&text("status: 200", "a1")]);
    for bad in ["status: 99", "state: 200"] {
        let (next, report) = build(RefuseBy::Object, &load(&[&text(bad, "a2")]), &last).unwrap();
        assert_eq!(answer(&next, A, "/n").await, "n1");
        assert_eq!(answer(&next, A, "/x").await, "a2");
        let report = report.to_string();
        assert!(report.contains("a/backend/n: refused"), "{report}");
        assert!(report.contains("backend `n` was refused"), "{report}");
    }
}

#[tokio::test]
async fn while_a_document_cannot_be_read_nothing_missing_is_removed() {
    let (a, b) = (
        project("a", &[("x", "a1"), ("y", "a1")]),
        project("b", &[("x", "b1")]),
    );
    let last = good(&[&a, &b]);
    let mut loaded = load(&[&project("a", &[("x", "a2")])]);
    let error = ConfigError::new(Pointer::root(), "no YAML");
    loaded
        .unread
        .push(Unread::new("b.yaml", error, SourceMap::new()));
    for by in [RefuseBy::Project, RefuseBy::Object] {
        let (next, report) = build(by, &loaded, &last).unwrap();
        assert!(report.to_string().contains("no YAML"), "{report}");
        assert_eq!(answer(&next, A, "/x").await, "a2", "{by:?}");
        assert_eq!(answer(&next, A, "/y").await, "a1", "{by:?}");
        assert_eq!(answer(&next, B, "/x").await, "b1", "{by:?}");
    }
    assert!(build(RefuseBy::All, &loaded, &last).is_err());
}

#[tokio::test]
async fn what_nobody_asks_for_any_more_is_removed() {
    let (a, b) = (project("a", &[("x", "a1")]), project("b", &[("x", "b1")]));
    let last = good(&[&a, &b]);
    for by in [RefuseBy::All, RefuseBy::Project, RefuseBy::Object] {
        let (next, _) = build(by, &load(&[&a]), &last).unwrap();
        assert_eq!(answer(&next, B, "/x").await, "no route");
        assert_eq!(next.listeners().count(), 1);
    }
}

#[tokio::test]
async fn a_route_is_on_the_listeners_it_names_or_on_all_of_its_project() {
    let snapshot = good(&[
        r#"
        {schemaVersion: 1, project: a,
         listeners: [{name: web, address: "127.0.0.1:1"}, {name: tls, address: "127.0.0.1:2", export: true}],
         routes: [{match: {path: {exact: /one}}, listeners: [tls], backend: {directResponse: {status: 200, body: one}}},
                  {match: {path: {exact: /all}}, backend: {directResponse: {status: 200, body: all}}}]}"#,
        r#"
        {schemaVersion: 1, project: b,
         routes: [{match: {path: {exact: /theirs}}, listeners: [a/tls], backend: {directResponse: {status: 200, body: b}}}]}"#,
    ]);
    for (listener, path, wanted) in [
        ("a/web", "/one", "no route"),
        ("a/tls", "/one", "one"),
        ("a/web", "/all", "all"),
        ("a/tls", "/all", "all"),
        ("a/tls", "/theirs", "b"),
        ("a/web", "/theirs", "no route"),
    ] {
        assert_eq!(
            answer(&snapshot, listener, path).await,
            wanted,
            "{listener} {path}"
        );
    }
}

#[test]
fn listeners_that_are_not_there_or_not_exported_are_refused() {
    let text = |listener: &str| {
        format!(
            r#"{{schemaVersion: 1, project: b, listeners: [{{name: web, address: "127.0.0.1:7"}}],
                 routes: [{{name: r, listeners: ["{listener}"], backend: {{directResponse: {{status: 200}}}}}}]}}"#
        )
    };
    let a = project("a", &[]).replace("routes:", "");
    assert_eq!(
        faults(&[&a, &text("a/web")]),
        ["b/route/r /routes/0/listeners/0: there is no listener `a/web`"]
    );
    assert_eq!(
        faults(&[&a, &text("wob")]),
        ["b/route/r /routes/0/listeners/0: there is no listener `wob`"]
    );
    good(&[&a, &text("web")]);
}

#[test]
fn of_two_listeners_at_one_address_the_second_is_refused_whatever_spelling() {
    let text = |project: &str, address: &str| {
        format!(
            r#"{{schemaVersion: 1, project: {project}, listeners: [{{name: web, address: "{address}"}}]}}"#
        )
    };
    let (a, b) = (text("a", "127.0.0.1:80"), text("b", "127.0.0.1:80"));
    assert_eq!(
        faults(&[&a, &b]),
        ["b/listener/web /listeners/0/address: the address 127.0.0.1:80 belongs to a/listener/web"]
    );
    good(&[&text("a", "127.0.0.1:0"), &text("b", "127.0.0.1:0")]);
    good(&[&a, &text("b", "127.0.0.1:81")]);
}

#[tokio::test]
async fn who_has_an_address_keeps_it() {
    let b = project("b", &[("x", "b1")]);
    let last = good(&[&b]);
    let address = last.listeners().next().unwrap().1.address.to_string();
    let a = project("a", &[("x", "a1")]);
    let own = load(&[&a]).projects[0].config.listeners[0]
        .address
        .to_string();
    let a = a.replace(&own, &address);
    for by in [RefuseBy::Project, RefuseBy::Object] {
        let (next, report) = build(by, &load(&[&a, &b]), &last).unwrap();
        let owners: Vec<_> = next.listeners().map(|(id, _)| id.to_string()).collect();
        assert_eq!(owners, ["b/listener/web"], "{by:?} {report}");
        assert_eq!(answer(&next, B, "/x").await, "b1");
    }
}

/// A project of these backends, reached by no route.
fn backends(project: &str, list: &str) -> String {
    format!("{{schemaVersion: 1, project: {project}, backends: [{list}]}}")
}

#[test]
fn backends_in_a_circle_are_refused_each() {
    let models = |name: &str, to: &str| {
        format!(r#"{{name: {name}, models: [{{match: "*", backend: {to}}}]}}"#)
    };
    let own = faults(&[&backends("a", &models("x", "x"))]);
    assert_eq!(
        own,
        ["a/backend/x /backends/0/models/0/backend: `x` refers back to this backend: a circle"]
    );
    let list = [
        models("x", "y"),
        models("y", "z"),
        models("z", "x"),
        models("out", "x"),
    ]
    .join(", ");
    let all = faults(&[&backends("a", &list)]);
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(
        all.iter().all(|fault| fault.contains("a circle")),
        "{all:?}"
    );
}

#[test]
fn references_leave_a_project_only_to_what_is_exported() {
    let echo = |export: &str| backends("a", &format!("{{name: e, {export} echo: {{}}}}"));
    let b = backends("b", r#"{name: m, models: [{match: "*", backend: a/e}]}"#);
    assert_eq!(
        faults(&[&echo(""), &b]),
        ["b/backend/m /backends/0/models/0/backend: there is no backend `a/e`"]
    );
    good(&[&echo("export: true,"), &b]);
    let own = backends(
        "a",
        r#"{name: e, echo: {}}, {name: m, models: [{match: "*", backend: a/e}]}"#,
    );
    good(&[&own]);
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known() {
    let refusal = |text: &str| {
        let refused = build(RefuseBy::All, &load(&[text]), &Snapshot::default());
        let report = refused.unwrap_err().report;
        let (_, error) = report.errors().next().unwrap();
        (
            error.what.to_string(),
            error.hint.clone().unwrap_or_default().to_string(),
        )
    };
    let (what, hint) = refusal(&backends("a", "{name: e, ecco: {}}"));
    assert_eq!(
        (&*what, &*hint),
        ("unknown kind of backend `ecco`", "did you mean `echo`?")
    );
    let (what, hint) =
        refusal("{schemaVersion: 1, backends: [{name: echo, echo: {}}], routes: [{backend: eco}]}");
    assert_eq!(
        (&*what, &*hint),
        ("there is no backend `eco`", "did you mean `echo`?")
    );
    let (what, hint) = refusal(
        "{schemaVersion: 1, routes: [{policies: [{timeout: {}}], backend: {directResponse: {status: 200}}}], listeners: [{name: w, address: \"127.0.0.1:1\"}]}",
    );
    assert_eq!(
        (&*what, &*hint),
        ("unknown policy `timeout`", "did you mean `timeouts`?")
    );
}

#[test]
fn a_bad_policy_is_refused_also_where_no_listener_leads_to_it() {
    let text = r#"{schemaVersion: 1, routes: [{name: r, policies: [{nonsense: {}}], backend: {directResponse: {status: 200}}}]}"#;
    assert_eq!(
        faults(&[text]),
        ["default/route/r /routes/0/policies/0/nonsense: unknown policy `nonsense`"]
    );
    let text = r#"{schemaVersion: 1, listeners: [{name: w, address: "127.0.0.1:1", policies: [{nonsense: {}}]}]}"#;
    assert_eq!(
        faults(&[text]),
        ["default/listener/w /listeners/0/policies/0/nonsense: unknown policy `nonsense`"]
    );
}

#[test]
fn a_policy_of_a_listener_is_a_fault_of_the_listener() {
    let text = r#"{schemaVersion: 1, listeners: [{name: w, address: "127.0.0.1:1", policies: [{nonsense: {}}]}],
        routes: [{name: r, backend: {directResponse: {status: 200}}}]}"#;
    let faults = faults(&[text]);
    assert!(faults[0].starts_with("default/listener/w "), "{faults:?}");
}

#[test]
fn a_policy_on_a_level_where_it_has_no_meaning_is_refused_with_where_it_belongs() {
    let text = backends(
        "a",
        "{name: e, policies: [{apiKeyAuthentication: {keys: []}}], echo: {}}",
    );
    let refused = build(RefuseBy::All, &load(&[&text]), &Snapshot::default());
    let report = refused.unwrap_err().report.to_string();
    assert!(
        report.contains("policy `apiKeyAuthentication` has no meaning on a backend"),
        "{report}"
    );
    assert!(
        report.contains("put it on a listener or a route"),
        "{report}"
    );
}

#[tokio::test]
async fn the_policy_of_a_route_replaces_its_listeners() {
    let text = |policies: &str| {
        format!(
            r#"{{schemaVersion: 1, project: a,
            listeners: [{{name: web, address: "127.0.0.1:1", policies: [{{bodyLimit: {{request: 1B}}}}]}}],
            routes: [{{policies: [{policies}], backend: {{directResponse: {{status: 200, body: ok}}}}}}]}}"#
        )
    };
    let post = async |snapshot: &Snapshot| {
        let listener = ObjectId::new("a", Kind::Listener, "web");
        let request = http::Request::post("/")
            .header("content-length", "3")
            .body(Body::from("123"))
            .unwrap();
        let served = snapshot.find(&listener, &request).unwrap();
        served
            .service
            .send(request)
            .await
            .map_or_else(|e| e.code().name, |_| "ok")
    };
    assert_eq!(post(&good(&[&text("")])).await, "body_too_large");
    assert_eq!(
        post(&good(&[&text("{bodyLimit: {request: 9B}}")])).await,
        "ok"
    );
}

#[tokio::test]
async fn a_listener_with_a_wrong_policy_is_as_it_was_or_stays_closed() {
    let good_one = project("a", &[("x", "a1")]);
    let bad = good_one.replace("name: web,", "name: web, policies: [{nonsense: {}}],");
    let last = good(&[&good_one]);
    let (next, report) = build(RefuseBy::Object, &load(&[&bad]), &last).unwrap();
    assert_eq!(report.errors().count(), 1, "{report}");
    assert_eq!(answer(&next, A, "/x").await, "a1");
    let (next, _) = build(RefuseBy::Object, &load(&[&bad]), &Snapshot::default()).unwrap();
    assert_eq!(next.listeners().count(), 0);
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let twice = backends("a", "{name: e, echo: {}}, {name: e, echo: {}}");
    assert_eq!(
        faults(&[&twice]),
        ["a/backend/e /backends/1/name: the name `e` is taken"]
    );
    let twice = project("a", &[("x", "a1"), ("x", "a2")]);
    assert_eq!(
        faults(&[&twice]),
        ["a/route//routes/1 /routes/1: the match `/x` is taken"]
    );
}

#[tokio::test]
async fn of_two_objects_of_one_name_the_first_serves() {
    let twice = project("a", &[("x", "a1"), ("x", "a2")]);
    let (snapshot, report) =
        build(RefuseBy::Object, &load(&[&twice]), &Snapshot::default()).unwrap();
    assert!(!report.is_ok());
    assert_eq!(answer(&snapshot, A, "/x").await, "a1");
}

#[tokio::test]
async fn a_match_that_cannot_be_read_is_refused_in_its_place() {
    let text = r#"{schemaVersion: 1, routes: [{name: r, match: [{path: {regex: "("}}, {method: get}], backend: {directResponse: {status: 200}}}]}"#;
    let faults = faults(&[text]);
    assert!(
        faults[0].starts_with("default/route/r /routes/0/match/0/path: "),
        "{faults:?}"
    );
}
