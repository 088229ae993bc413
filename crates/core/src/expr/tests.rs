//! Claims about expressions.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Request, StatusCode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::config::{Pointer, decode};
use crate::context::{Certificate, Context, Credential, Principal, Source};

fn call() -> (Request<()>, Context) {
    let request = Request::post("/v1/chat/completions?beta=1")
        .header("host", "llm.example.com")
        .header("x-team", "research")
        .header("x-tag", "a")
        .header("x-tag", "b")
        .body(())
        .unwrap();
    let context = Context::default();
    let mut key = Principal::new("alice").by(Credential::ApiKey);
    let metadata = json!({"tier": "gold", "limits": {"rpm": 10}, "teams": ["a", "b"]});
    key.metadata = metadata.as_object().cloned().map(Arc::new);
    context.set_principal(key);
    let mut token = Principal::new("auth0|1").by(Credential::Jwt);
    let claims = json!({"sub": "auth0|1", "groups": ["dev", "ops"], "exp": 1_900_000_000, "big": u64::MAX, "f": 0.5, "n": null});
    token.metadata = claims.as_object().cloned().map(Arc::new);
    context.set_principal(token);
    let certificate = Certificate {
        subject: "CN=app".into(),
        subject_alt_names: vec!["spiffe://example.org/app".into()],
    };
    let address = "10.1.2.3:4711".parse().ok();
    context.set_source(Source::new(address).certificate(Arc::new(certificate)));
    (request, context)
}

/// What an expression is of the call above: a truth, a text, or why it is neither.
fn said(source: &str) -> String {
    let cel = match Cel::new(source) {
        Ok(cel) => cel,
        Err(e) => return format!("refused: {e}"),
    };
    let (request, context) = call();
    let headers: HeaderMap = [(http::header::SERVER, "x".parse().unwrap())]
        .into_iter()
        .collect();
    let facts =
        Facts::of_request(&request, &context).reply(StatusCode::TOO_MANY_REQUESTS, &headers);
    match cel.text(&facts) {
        Ok(value) => value,
        Err(e) => e.to_string(),
    }
}

#[test]
fn expressions_users_write_have_these_values() {
    for (source, value) in [
        ("request.method == 'POST'", "true"),
        ("request.path", "/v1/chat/completions"),
        ("request.query", "beta=1"),
        ("request.uri", "/v1/chat/completions?beta=1"),
        ("request.host.endsWith('.example.com')", "true"),
        ("request.version", "HTTP/1.1"),
        ("request.headers['X-Team']", "research"),
        ("request.headers['x-tag']", "a, b"),
        ("'x-team' in request.headers", "true"),
        ("has(request.headers.authorization)", "false"),
        (
            "request.headers.exists(name, name.startsWith('x-'))",
            "true",
        ),
        ("request.headers.size()", "3"),
        ("request.path.matches('^/v1/(chat|models)')", "true"),
        ("source.address", "10.1.2.3"),
        ("source.port > 1024", "true"),
        ("cidr('10.0.0.0/8').containsIP(source.address)", "true"),
        ("cidr('::1').containsIP(source.address)", "false"),
        ("source.subject", "CN=app"),
        (
            "source.subjectAltNames.exists(n, n == 'spiffe://example.org/app')",
            "true",
        ),
        ("apiKey.id", "alice"),
        ("apiKey.tier in ['gold', 'silver']", "true"),
        ("apiKey.limits.rpm + 1", "11"),
        ("apiKey.teams.size() == 2 && 'b' in apiKey.teams", "true"),
        ("apiKey.teams.map(t, t.upperAscii()).join('+')", "A+B"),
        ("apiKey.?team.orValue('none')", "none"),
        ("principal.id", "alice"),
        ("jwt.sub.split('|')[0]", "auth0"),
        ("jwt.groups.exists(g, g in ['ops', 'sre'])", "true"),
        ("jwt.groups.exists(g, g in apiKey.teams)", "false"),
        (
            "request.headers['x-tag'].split(', ').exists(t, t == 'b')",
            "true",
        ),
        ("jwt.exp > 1800000000", "true"),
        ("jwt.big", "18446744073709551615"),
        ("jwt.f < 0.6 && jwt.n == null", "true"),
        (
            "has(jwt.email) && jwt.email.endsWith('@example.com')",
            "false",
        ),
        ("has(basicAuth.username)", "false"),
        (
            "response.code >= 400 && response.headers.server == 'x'",
            "true",
        ),
        ("has(llm.model)", "false"),
        (
            "jwt.groups.filter(g, g != 'dev').all(g, g == 'ops') ? 'yes' : 'no'",
            "yes",
        ),
    ] {
        assert_eq!(said(source), value, "{source}");
    }
}

#[test]
fn what_is_not_there_fails_rather_than_being_empty() {
    for (source, reason) in [
        ("jwt.email", "No such key: email"),
        ("jwt.email == 'x'", "No such key: email"),
        ("llm.model", "No such key: model"),
        ("request.headers['x-none']", "No such key: x-none"),
        ("jwt.groups", "its value is of another type"),
        ("1 / 0", "Division by zero of Int(1)"),
        (
            "cidr('10.0.0.0/8').containsIP('x')",
            "Error executing function 'containsIP': not an IP address",
        ),
    ] {
        let told = said(source);
        assert!(told.ends_with(reason), "{source}: {told}");
    }
}

#[test]
fn a_truth_beside_a_failure_decides_where_the_failure_cannot() {
    assert_eq!(said("jwt.none == 1 || request.method == 'POST'"), "true");
    assert_eq!(said("jwt.none == 1 && request.method == 'GET'"), "false");
}

#[test]
fn what_makes_no_sense_is_refused_when_it_is_compiled() {
    for (source, what) in [
        ("", "not an expression, at its column 1"),
        ("request.method ==", "not an expression, at its column"),
        (
            "requst.method",
            "there is no variable `requst`, did you mean `request`?",
        ),
        (
            "request.metod",
            "there is no `request` with a `metod`, did you mean `method`?",
        ),
        (
            "has(llm.modle)",
            "there is no `llm` with a `modle`, did you mean `model`?",
        ),
        (
            "request.path.startWith('/')",
            "there is no function `startWith`, did you mean `startsWith`?",
        ),
        ("env('HOME')", "there is no function `env`"),
        (
            "request.path.matches(request.headers.p)",
            "the pattern of `matches` must be a literal text",
        ),
        ("request.path.matches('(')", "not a regular expression: `(`"),
        (
            "cidr('10.0.0.0/33').containsIP('1')",
            "not a range of addresses: `10.0.0.0/33`",
        ),
        ("Point{x: 1}.x == 1", "there is no type `Point` to make"),
    ] {
        let told = said(source);
        assert!(
            told.starts_with(&format!("refused: {what}")),
            "{source}: {told}"
        );
    }
}

#[test]
fn a_variable_of_a_loop_is_known_within_it_alone() {
    assert_eq!(said("[1, 2].exists(x, x == 2)"), "true");
    assert!(
        said("[1].exists(x, x == 1) && x == 1").starts_with("refused: there is no variable `x`")
    );
}

#[test]
fn an_expression_says_what_it_needs() {
    let needs = |source: &str| Cel::new(source).unwrap().variables();
    assert!(needs("apiKey.id").has(Variable::ApiKey));
    assert!(!needs("apiKey.id").has(Variable::Request));
    assert!(!needs("request.headers.all(llm, llm != 'a')").are_typed());
    assert!(needs("has(llmRequest.tools)").are_typed());
    assert!(Cel::new("llm.model == 'x'").unwrap().is_typed());
    assert!(!Cel::new("'x'").unwrap().may_be_boolean());
}

#[test]
fn size_depth_and_worst_case_are_bounded() {
    let wide = vec!["request.path == '/'"; 150].join(" || ");
    assert_eq!(said(&wide), "false");
    assert_eq!(said(&format!("{}true", "!".repeat(2000))), "true");
    assert_eq!(said(&format!("{}1", "-".repeat(2000))), "1");
    for (source, what) in [
        (" ".repeat(MAX_SOURCE + 1), "is longer than 4,096 bytes"),
        (format!("{}1{}", "(".repeat(33), ")".repeat(33)), "more than 32 brackets"),
        (format!("request{}", ".a".repeat(1500)), ""),
        (format!("1{}", " + 1".repeat(800)), "nested more than 32 deep"),
        (format!("true{} : false", " ? true : true".repeat(200)), ""),
        ("[".repeat(3000), "more than 32 brackets"),
        (
            "jwt.a.all(a, jwt.b.all(b, jwt.c.all(c, a + b == c)))".to_owned(),
            "takes too long",
        ),
        (
            "[1,2,3,4,5,6,7,8,9,0].map(a, [1,2,3,4,5,6,7,8,9,0].map(b, [1,2,3,4,5,6,7,8,9,0].map(c, [1,2,3,4,5,6,7,8,9,0].map(d, [1,2,3,4,5,6,7,8,9,0].map(e, [1,2,3,4,5,6,7,8,9,0].map(f, [1,2,3,4,5,6,7,8,9,0].map(g, a))))))).size() == 1".to_owned(),
            "takes too long",
        ),
        (
            "request.path.split('/').map(p, p.replace('', p)).size() > 1".to_owned(),
            "takes too long",
        ),
        (
            "[['xxxxxxxxxx'].map(a, a.replace('x', request.path))[0]].map(a, a.replace('', request.path))[0].replace('', request.path).size() > 1".to_owned(),
            "takes too long",
        ),
    ] {
        let told = said(&source);
        assert!(told.starts_with("refused: ") && told.contains(what), "{what}: {told}");
    }
}

#[test]
fn what_is_too_large_in_a_call_cannot_be_read() {
    let context = Context::default();
    let mut token = Principal::new("x").by(Credential::Jwt);
    let claims = json!({"list": vec![1; MAX_ITEMS + 1], "text": "x".repeat(MAX_TEXT + 1), "ok": vec![1; MAX_ITEMS]});
    token.metadata = claims.as_object().cloned().map(Arc::new);
    context.set_principal(token);
    let request = Request::new(());
    let facts = Facts::of_request(&request, &context);
    assert!(
        Cel::new("jwt.ok.all(x, x == 1)")
            .unwrap()
            .test(&facts)
            .unwrap()
    );
    for source in ["jwt.list.size() > 1", "jwt.text != ''"] {
        let error = Cel::new(source).unwrap().test(&facts).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("Error executing function 'read'"),
            "{error}"
        );
    }
}

#[test]
fn an_error_in_configuration_stands_at_its_place() {
    #[derive(Debug, Deserialize)]
    struct Rules {
        #[expect(dead_code, reason = "only its errors are looked at")]
        allow: Vec<Cel>,
    }
    let rules = json!({"allow": ["true", "requst.path == '/'"]});
    let error = decode::<Rules>(&rules, &Pointer::root()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/allow/1: there is no variable `requst`, did you mean `request`?"
    );
}

#[test]
fn the_deepest_expression_runs_on_a_thread_with_a_usual_stack() {
    let deep = format!("{}true{}", "!(".repeat(30), ")".repeat(30));
    let loops = "[1].map(a, [a].map(b, [b].map(c, [c].map(d, [d].map(e, e))))).size() > 0";
    for source in [deep.as_str(), loops] {
        let cel = Cel::new(source).unwrap();
        let run = move || {
            let (request, context) = call();
            cel.test(&Facts::of_request(&request, &context)).unwrap()
        };
        assert!(
            std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn(run)
                .unwrap()
                .join()
                .unwrap()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing anybody writes takes the process down, and what compiles ends.
    #[test]
    fn anything_compiles_or_is_refused_and_then_ends(
        parts in prop::collection::vec(prop::sample::select(vec![
            "request", ".", "path", "(", ")", "[", "]", "{", "}", "'a'", "1", "0", "-", "!", "+", "*", "/", "%", "==",
            " in ", "&&", "||", "?", ":", ",", "jwt", "x", ".map(x,", ".all(x,", "has(", ".split('')", ".size()",
            ".replace('', 'ab')", ".?", "headers", "\"", "\\", "é", "9223372036854775807", ".substring(", "optional.of(",
        ]), 1..40)
    ) {
        let source = parts.concat();
        if let Ok(cel) = Cel::new(&source) {
            let (request, context) = call();
            let began = Instant::now();
            let _ = cel.text(&Facts::of_request(&request, &context));
            prop_assert!(began.elapsed().as_secs() < 30);
        }
    }
}

/// The table of `docs/policies.md`; a row that fails is the one to write there.
#[test]
fn costs_of_usual_expressions_are_what_the_guide_says() {
    let guide = include_str!("../../../../docs/policies.md");
    let mut missing = String::new();
    for source in GUIDE {
        let value = said(source).replace('|', "\\|");
        let cost = Cel::new(source).map_or_else(|_| "-".to_owned(), |cel| cel.cost().to_string());
        let value = value.strip_prefix("refused: ").unwrap_or(&value);
        let value = value.split(" failed: ").last().unwrap_or(value);
        let row = format!("| `{}` | {value} | {cost} |", source.replace('|', "\\|"));
        if !guide.contains(&row) {
            missing.push_str(&row);
            missing.push('\n');
        }
    }
    assert!(missing.is_empty(), "rows to write:\n{missing}");
}

const GUIDE: &[&str] = &[
    "true",
    "request.method == 'POST'",
    "request.path.startsWith('/v1/')",
    "request.path.matches('^/v1/(chat|models)')",
    "request.headers['x-team'] in ['research', 'sales']",
    "has(request.headers.authorization)",
    "cidr('10.0.0.0/8').containsIP(source.address)",
    "apiKey.id",
    "apiKey.tier == 'gold' || request.path == '/v1/models'",
    "apiKey.?team.orValue('none')",
    "jwt.groups.exists(g, g == 'ops')",
    "jwt.groups.exists(g, g in apiKey.teams)",
    "jwt.sub.split('|')[0]",
    "jwt.email.endsWith('@example.com')",
    "llm.model.startsWith('gpt-')",
    "requst.method == 'POST'",
    "request.path.matches(request.headers.pattern)",
    "jwt.a.all(a, jwt.b.all(b, jwt.c.all(c, a + b == c)))",
];
