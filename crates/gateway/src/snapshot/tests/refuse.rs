//! What a build makes of a configuration, what it refuses, and in which words.

use super::*;

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
async fn a_match_that_cannot_be_read_is_refused_in_its_place() {
    let text = r#"{schemaVersion: 1, routes: [{name: r, match: [{path: {regex: "("}}, {method: get}], backend: {directResponse: {status: 200}}}]}"#;
    let faults = faults(&[text]);
    assert!(
        faults[0].starts_with("default/route/r /routes/0/match/0/path: "),
        "{faults:?}"
    );
}
