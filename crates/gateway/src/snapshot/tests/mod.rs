//! What a build lets live, what it refuses, what it keeps of the last one, and what it says about it.

mod keep;
mod refuse;
mod reuse;

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

/// A project of these backends, reached by no route.
fn backends(project: &str, list: &str) -> String {
    format!("{{schemaVersion: 1, project: {project}, backends: [{list}]}}")
}
