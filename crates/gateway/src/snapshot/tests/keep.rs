//! What a build keeps of the last one, and what one fault takes down.

use super::*;

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
async fn by_project_the_fault_of_another_takes_only_the_routes_that_need_it() {
    let exported = |status: &str| {
        format!(
            "{}backends: [{{name: e, export: true, directResponse: {{status: {status}, body: e1}}}}]\n",
            project("a", &[("x", "a1")])
        )
    };
    let user = |body: &str| {
        let needs = "- {match: {path: {exact: /n}}, backend: a/e}";
        format!("{}{needs}\n", project("b", &[("x", body)]))
    };
    let last = good(&[&exported("200"), &user("b1")]);
    let loaded = load(&[&exported("99"), &user("b2")]);
    let (next, _) = build(RefuseBy::Project, &loaded, &last).unwrap();
    assert_eq!(answer(&next, B, "/x").await, "b2");
    assert_eq!(answer(&next, B, "/n").await, "e1");
    let (next, _) = build(RefuseBy::Project, &loaded, &Snapshot::default()).unwrap();
    assert_eq!(answer(&next, B, "/x").await, "b2");
    assert_eq!(answer(&next, B, "/n").await, "route_broken");
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

#[tokio::test]
async fn of_two_objects_of_one_name_the_first_serves() {
    let twice = project("a", &[("x", "a1"), ("x", "a2")]);
    let (snapshot, report) =
        build(RefuseBy::Object, &load(&[&twice]), &Snapshot::default()).unwrap();
    assert!(!report.is_ok());
    assert_eq!(answer(&snapshot, A, "/x").await, "a1");
}
