//! What documents become, and what is said of bad ones.

use serde_json::json;

use super::*;
use crate::config::{NamedMatch, PathMatch, RouteMatch, Want};

/// Reads what must have nothing wrong in it.
fn good(document: &Value) -> Config {
    let (config, refused) = Config::decode(document);
    assert_eq!(refused, []);
    config
}

fn refusals(document: &Value) -> Vec<String> {
    let (_, refused) = Config::decode(document);
    refused
        .iter()
        .map(|one| format!("{} {}", one.object, one.error))
        .collect()
}

fn with(key: &str, objects: &Value) -> Value {
    json!({"schemaVersion": 1, "project": "p", key: objects})
}

#[test]
fn a_whole_document_becomes_a_config_that_knows_its_places() {
    let config = good(&json!({
        "schemaVersion": 1,
        "listeners": [{"name": "web", "address": "127.0.0.1:8080", "policies": [{"cors": {}}]}],
        "routes": [{
            "match": {"path": {"prefix": "/v1"}, "headers": [{"name": "x", "regex": "a+"}]},
            "policies": [{"timeouts": {"request": "10s"}, "id": "t"}],
            "backend": "models",
        }],
        "backends": [{"name": "models", "llm": {"provider": "openai"}}],
        "admin": {},
        "accessLog": {"format": "json"},
    }));
    assert_eq!(config.project, "default");
    assert_eq!(
        config.admin.unwrap().address,
        "127.0.0.1:9901".parse().unwrap()
    );
    let policy = &config.routes[0].policies[0];
    assert_eq!(
        (policy.at.as_str(), policy.id.as_deref()),
        ("/routes/0/policies/0/timeouts", Some("t"))
    );
    let header = NamedMatch::new("x", Want::Regex("a+".into()));
    let wanted = RouteMatch {
        path: Some(PathMatch::Prefix("/v1".into())),
        headers: vec![header],
        ..RouteMatch::default()
    };
    assert_eq!(config.routes[0].matches, [wanted]);
    assert_eq!(config.backends[0].body_at().as_str(), "/backends/0/llm");
    assert_eq!(
        config.listeners[0].policies[0].at.as_str(),
        "/listeners/0/policies/0/cors"
    );
}

#[test]
fn an_unnamed_route_is_known_by_its_matches_and_its_backend_by_the_route() {
    let config = good(&with(
        "routes",
        &json!([
            {"backend": {"directResponse": {"status": 200}, "policies": [{"retry": {}}]}},
            {"match": [{"method": "POST", "host": "a.b", "path": {"exact": "/x"}}, {"query": [{"name": "q", "value": "1"}]}],
             "listeners": ["web"], "backend": "other/models"},
        ]),
    ));
    let names: Vec<_> = config.routes.iter().map(Route::identity).collect();
    assert_eq!(names, ["/*", "POST a.b/x | /* ?q=1 @ web"]);
    let BackendRef::Inline(inline) = &config.routes[0].backend else {
        panic!("not inline")
    };
    assert_eq!(
        (inline.name.as_str(), inline.body_at().as_str()),
        ("route:/*", "/routes/0/backend/directResponse")
    );
    assert_eq!(
        inline.policies[0].at.as_str(),
        "/routes/0/backend/policies/0/retry"
    );
    let named = BackendRef::Named {
        project: Some("other".into()),
        name: "models".into(),
    };
    assert_eq!(config.routes[1].backend, named);
}

#[test]
fn what_is_wrong_outside_of_objects_refuses_the_project() {
    assert_eq!(
        refusals(&json!([])),
        ["default/project/default a configuration is a mapping"]
    );
    assert_eq!(
        refusals(&json!({})),
        ["default/project/default missing key `schemaVersion` (write `schemaVersion: 1`)"]
    );
    assert_eq!(
        refusals(&json!({"schemaVersion": "1", "project": "p", "backend": [], "routes": {}})),
        [
            "p/project/p /schemaVersion: unknown schema version (write `schemaVersion: 1`)",
            "p/project/p /backend: unknown key `backend` (did you mean `backends`?)",
            "p/project/p /routes: expected a list",
        ]
    );
}

#[test]
fn a_bad_object_is_refused_alone() {
    let cases = [
        (
            "backends",
            json!({"name": "m"}),
            "p/backend/m /backends/0: a backend without a kind (add a key like `llm` or `directResponse`)",
        ),
        (
            "backends",
            json!({"name": "m", "llm": {}, "models": {}}),
            "p/backend/m /backends/0: a backend has one kind, found `llm` and `models`",
        ),
        (
            "backends",
            json!({"llm": {}}),
            "p/backend//backends/0 /backends/0: missing key `name`",
        ),
        (
            "backends",
            json!({"name": "a/b", "llm": {}}),
            "p/backend/a/b /backends/0/name: a name has letters, digits, `-`, `_` and `.` only",
        ),
        (
            "routes",
            json!({"name": "r", "backnd": "m"}),
            "p/route/r /routes/0/backnd: unknown key `backnd` (did you mean `backend`?)",
        ),
        (
            "routes",
            json!({"name": "r", "backend": "a/b/c"}),
            "p/route/r /routes/0/backend: expected a backend's name, or `project/name`",
        ),
        (
            "routes",
            json!({"name": "r", "backend": {"llm": {}, "name": "x"}}),
            "p/route/r /routes/0/backend/name: a backend inside a route has no name (to name it, move it to `backends`)",
        ),
        (
            "routes",
            json!({"name": "r", "backend": {"policies": [{"a": 1}, {"id": "x"}], "llm": {}}}),
            "p/route/r /routes/0/backend/policies/1: an entry without a policy",
        ),
        (
            "routes",
            json!({"name": "r", "backend": "m", "match": []}),
            "p/route/r /routes/0/match: an empty list matches nothing (leave `match` out to match everything)",
        ),
        (
            "routes",
            json!({"name": "r", "backend": "m", "match": [{}, {"path": {"prefx": "/"}}]}),
            "p/route/r /routes/0/match/1/path/prefx: not one of `exact`, `prefix`, `regex` (did you mean `prefix`?)",
        ),
        (
            "routes",
            json!({"name": "r", "backend": "m", "match": {"headers": [{"name": "x"}]}}),
            "p/route/r /routes/0/match/headers/0: expected exactly one of `value` and `regex`",
        ),
        (
            "routes",
            json!({"name": "r", "backend": "m", "policies": [{"a": {}, "b": {}}]}),
            "p/route/r /routes/0/policies/0: an entry has one policy, found `a` and `b` (start the second with a `-` of its own)",
        ),
        (
            "listeners",
            json!({"name": "l", "address": "localhost"}),
            "p/listener/l /listeners/0/address: not an IP address and port like `127.0.0.1:8080`, or `unix:/path/to/socket`",
        ),
        (
            "listeners",
            json!({"name": "l", "address": "[::]:80", "limits": {"headerReadTimeout": 5}}),
            "p/listener/l /listeners/0/limits/headerReadTimeout: a duration needs a unit (for 5 seconds write `5s`)",
        ),
    ];
    for (key, object, said) in cases {
        assert_eq!(refusals(&with(key, &json!([object]))), [said]);
    }
}

#[test]
fn a_name_given_twice_is_refused_naming_both_places() {
    let document = json!({
        "schemaVersion": 1,
        "backends": [{"name": "m", "llm": {}}, {"name": "m", "llm": {}}],
        "routes": [{"name": "m", "backend": "m"}, {"backend": "m"}, {"backend": "m"}],
    });
    assert_eq!(
        refusals(&document),
        [
            "default/route//routes/2 /routes/2: the match `/*` is taken, see /routes/1",
            "default/backend/m /backends/1/name: the name `m` is taken, see /backends/0",
        ]
    );
    assert_eq!(Config::decode(&document).0.backends.len(), 1);
}
