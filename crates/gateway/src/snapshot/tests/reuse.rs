//! What a build takes over from the last one: the very same services.

use std::sync::Arc;

use super::*;

/// A listener, two routes to one chain of backends, and one to another.
const TEXT: &str = r#"
schemaVersion: 1
project: a
listeners: [{name: web, address: "127.0.0.1:1"}]
routes:
- {name: one, match: {path: {prefix: /one}}, policies: [{bodyLimit: {request: 1MiB}}], backend: models}
- {name: two, match: {path: {prefix: /two}}, backend: models}
- {name: alone, match: {path: {prefix: /alone}}, backend: {directResponse: {status: 200, body: x}}}
backends:
- {name: models, models: [{match: "*", backend: leaf}]}
- {name: leaf, echo: {}}
"#;

fn served(snapshot: &Snapshot, listener: &str, path: &str) -> Arc<Served> {
    let (project, name) = listener.split_once('/').unwrap();
    let listener = ObjectId::new(project, Kind::Listener, name);
    let request = http::Request::get(path).body(Body::empty()).unwrap();
    snapshot.find(&listener, &request).unwrap().clone()
}

fn next(text: &str, last: &Snapshot) -> Snapshot {
    build(RefuseBy::Object, &load(&[text]), last).unwrap().0
}

/// Which of the three routes on `web` are the same services in both.
fn kept(last: &Snapshot, next: &Snapshot) -> [bool; 3] {
    ["/one", "/two", "/alone"]
        .map(|path| Arc::ptr_eq(&served(last, A, path), &served(next, A, path)))
}

#[test]
fn what_did_not_change_is_the_same_service() {
    let last = good(&[TEXT]);
    for (change, expected) in [
        (TEXT.to_owned(), [true; 3]),
        (TEXT.replace("\nroutes:", "\n\n# moved\nroutes:"), [true; 3]),
        (
            TEXT.replace("schemaVersion: 1", "schemaVersion: 1\nadmin: {}"),
            [true; 3],
        ),
        (TEXT.replace("1MiB", "2MiB"), [false, true, true]),
        (TEXT.replace("body: x", "body: y"), [true, true, false]),
        (
            TEXT.replace("echo: {}", "echo: {delay: 1s}"),
            [false, false, true],
        ),
        (
            TEXT.replace(
                "name: web,",
                "name: web, policies: [{timeouts: {request: 1m}}],",
            ),
            [false; 3],
        ),
        (
            TEXT.replace("name: web,", "name: web, limits: {maxConnections: 5},"),
            [true; 3],
        ),
    ] {
        assert_eq!(kept(&last, &next(&change, &last)), expected, "{change}");
    }
}

#[test]
fn another_match_or_another_listener_leaves_the_service_alone() {
    let last = good(&[TEXT]);
    let more = TEXT.replace(
        "listeners: [",
        "listeners: [{name: more, address: \"127.0.0.1:2\"}, ",
    );
    let more = next(&more, &last);
    assert_eq!(kept(&last, &more), [true; 3]);
    assert!(!Arc::ptr_eq(
        &served(&more, "a/more", "/one"),
        &served(&more, A, "/one")
    ));
    let moved = next(&TEXT.replace("prefix: /two", "prefix: /2"), &last);
    assert!(Arc::ptr_eq(
        &served(&last, A, "/two"),
        &served(&moved, A, "/2")
    ));
}

#[test]
fn another_content_of_a_secret_file_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "sk-1").unwrap();
    let text = format!(
        "{{schemaVersion: 1, project: a, listeners: [{{name: web, address: \"127.0.0.1:1\"}}], routes: \
         [{{match: {{path: {{prefix: /one}}}}, backend: m}}, {{backend: {{echo: {{}}}}}}], backends: \
         [{{name: m, models: [{{match: \"*\", backend: leaf}}]}}, \
         {{name: leaf, llm: {{provider: openai, apiKey: {{file: {path:?}}}}}}}]}}"
    );
    let last = good(&[&text]);
    assert_eq!(kept(&last, &next(&text, &last)), [true; 3]);
    std::fs::write(&path, "sk-2").unwrap();
    assert_eq!(kept(&last, &next(&text, &last)), [false, true, true]);
}

#[test]
fn a_mistake_and_its_correction_leave_the_services_as_they_were() {
    let last = good(&[TEXT]);
    for mistake in [
        TEXT.replace("echo: {}", "echo: {dealy: 1s}"),
        TEXT.replace("body: x", "bdy: x"),
        TEXT.replace("status: 200", "status: 99"),
        TEXT.replace("backend: leaf", "backend: laef"),
    ] {
        for by in [RefuseBy::Project, RefuseBy::Object] {
            let (wrong, report) = build(by, &load(&[&mistake]), &last).unwrap();
            assert!(!report.is_ok());
            assert_eq!(kept(&last, &wrong), [true; 3], "{by:?} {mistake}");
            assert_eq!(
                kept(&last, &next(TEXT, &wrong)),
                [true; 3],
                "{by:?} {mistake}"
            );
        }
    }
}

#[test]
fn what_is_gone_is_let_go() {
    let last = good(&[TEXT]);
    let leaf = ObjectId::new("a", Kind::Backend, "leaf");
    let weak = Arc::downgrade(&last.backends[&leaf]);
    let without = next("{schemaVersion: 1, project: a}", &last);
    drop(last);
    assert!(weak.upgrade().is_none(), "{without:?}");
}

#[test]
fn the_fingerprint_is_that_of_what_is_served() {
    let last = good(&[TEXT]);
    assert_eq!(last.fingerprint(), good(&[TEXT]).fingerprint());
    let changed = next(&TEXT.replace("1MiB", "2MiB"), &last);
    assert_ne!(last.fingerprint(), changed.fingerprint());
    assert_eq!(next(TEXT, &changed).fingerprint(), last.fingerprint());
}

#[test]
fn settings_are_those_of_the_last_build_while_they_or_their_project_are_refused() {
    let text = |admin: &str, backend: &str| {
        format!("{{schemaVersion: 1, project: a, {admin} routes: [{{backend: {backend}}}]}}")
    };
    let grace = |snapshot: &Snapshot| snapshot.settings().shutdown().grace.get().as_secs();
    let echo = "{echo: {}}";
    let last = good(&[&text("shutdown: {grace: 5s},", echo)]);
    assert_eq!(grace(&last), 5);
    for (admin, backend, expected) in [
        ("shutdown: {grace: 6s},", echo, 6),
        ("shutdown: {grace: 6s},", "nowhere", 5),
        ("shutdown: {grce: 6s},", echo, 5),
        ("", echo, 30),
    ] {
        let loaded = load(&[&text(admin, backend)]);
        let (next, report) = build(RefuseBy::Project, &loaded, &last).unwrap();
        assert_eq!(grace(&next), expected, "{admin} {backend} {report}");
    }
    let open = text("admin: {address: \"0.0.0.0:9901\"},", echo);
    let (next, _) = build(RefuseBy::Object, &load(&[&open]), &last).unwrap();
    assert!(next.settings().admin().is_none(), "never open to others");
}
