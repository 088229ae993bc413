//! Claims about authorization.

use portcullis_core::Request;
use portcullis_core::body::Body;
use portcullis_core::config::PolicyEntry;
use portcullis_core::context::{Context, Decision, Source};
use portcullis_core::error::Error;
use portcullis_core::protocol::{ArcService, Http};
use serde_json::{Value, json};
use tower::Layer;

use crate::codes;
use crate::testing::{built, configured, decisions, echo, recorded, refused};

fn request(team: &str, context: &Context) -> Request {
    let request = http::Request::get("/v1/models").header("x-team", team);
    let request = request.extension(context.clone());
    request.body(Body::empty()).unwrap()
}

/// What becomes of a call of this team under this policy: nothing, or why it is refused.
async fn judged(body: Value, team: &str, address: Option<&str>) -> String {
    let service = configured("authorization", body).unwrap().layer(echo());
    let context = Context::default();
    if let Some(address) = address {
        context.set_source(Source::new(address.parse().ok()));
    }
    match service.send(request(team, &context)).await {
        Ok(_) => String::new(),
        Err(e) => {
            assert_eq!(e.code(), &codes::NOT_AUTHORIZED);
            assert_eq!(e.message(), "you are not allowed to make this call");
            std::error::Error::source(&e).unwrap().to_string()
        }
    }
}

#[tokio::test]
async fn one_allow_rule_is_enough_every_require_rule_is_needed_and_a_deny_rule_decides() {
    let rules = json!({"rules": [
        {"allow": "request.headers['x-team'].startsWith('a')"},
        {"allow": "request.headers['x-team'].startsWith('b')"},
        {"require": "request.headers['x-team'].size() > 1"},
        {"deny": "request.headers['x-team'] == 'bad'"},
    ]});
    for (team, why) in [
        ("ab", ""),
        ("ba", ""),
        ("cc", "no rule allows it"),
        ("a", "`request.headers['x-team'].size() > 1` is required"),
        ("bad", "`request.headers['x-team'] == 'bad'` denies it"),
    ] {
        assert_eq!(judged(rules.clone(), team, None).await, why, "{team}");
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_counts_against_the_call() {
    for action in ["allow", "deny", "require"] {
        let why = judged(json!({"rules": [{action: "jwt.sub == 'x'"}]}), "a", None).await;
        assert!(why.starts_with("a rule could not be evaluated"), "{why}");
    }
    let beside = json!({"rules": [{"allow": "jwt.sub == 'x'"}, {"allow": "true"}]});
    assert_eq!(judged(beside, "a", None).await, "");
}

#[tokio::test]
async fn the_form_of_agentgateway_means_the_same() {
    let is_a = "request.headers['x-team'] == 'a'";
    for (action, a, b) in [
        ("Allow", true, false),
        ("Deny", false, true),
        ("Require", true, false),
    ] {
        let body = json!({"action": action, "policy": {"matchExpressions": [is_a]}});
        assert_eq!(judged(body.clone(), "a", None).await.is_empty(), a);
        assert_eq!(judged(body, "b", None).await.is_empty(), b);
    }
}

#[tokio::test]
async fn addresses_are_judged_as_ranges() {
    let body = json!({"ip": {"allow": ["10.0.0.0/8", "::1"], "deny": ["10.9.0.0/16"]}});
    for (address, why) in [
        (Some("10.1.2.3:1"), ""),
        (Some("[::ffff:10.1.2.3]:1"), ""),
        (Some("[::1]:1"), ""),
        (Some("10.9.2.3:1"), "the caller's address is not allowed"),
        (Some("192.0.2.1:1"), "the caller's address is not allowed"),
        (None, "the caller's address is not known"),
    ] {
        assert_eq!(judged(body.clone(), "a", address).await, why, "{address:?}");
    }
}

#[tokio::test]
async fn the_record_says_what_was_decided() {
    for (rule, decision) in [("true", Decision::Allowed), ("false", Decision::Refused)] {
        let service = configured("authorization", json!({"rules": [{"allow": rule}]})).unwrap();
        let (context, records) = recorded();
        let _ = service.layer(echo()).send(request("a", &context)).await;
        assert_eq!(decisions(&context, &records), [("authorization", decision)]);
    }
}

#[test]
fn rules_that_make_no_sense_are_refused_at_their_place() {
    for (body, said) in [
        (
            json!({}),
            "/p: there is no rule, so nothing would be refused",
        ),
        (
            json!({"rules": [{"allow": "'yes'"}]}),
            "/p/rules/0: a rule must be true or false",
        ),
        (
            json!({"rules": [{"allow": "true"}, {"deny": "usr == 1"}]}),
            "/p/rules/1/deny: there is no variable `usr`; there are request, source, apiKey, jwt, basicAuth, principal, llm, llmRequest, response",
        ),
        (
            json!({"action": "Deny"}),
            "/p/action: `action` is for the expressions of `policy`, and there are none",
        ),
        (
            json!({"ip": {"allow": ["10.0.0.0/8", "10.0.0.0/40"]}}),
            "/p/ip/allow/1: not a range of addresses",
        ),
    ] {
        assert_eq!(refused("authorization", body), said);
    }
}

/// A list of policies over a service that answers, called by this team.
async fn listed(entries: Vec<PolicyEntry>, team: &str) -> Result<(), Error> {
    let chain = built::<Http>(entries).unwrap();
    let service: ArcService<Http> = portcullis_core::protocol::ArcLayer::stack(&chain.http, echo());
    service
        .send(request(team, &Context::default()))
        .await
        .map(drop)
}

fn entry(body: Value) -> PolicyEntry {
    PolicyEntry::new("authorization", body)
}

#[tokio::test]
async fn a_policy_under_a_condition_applies_where_it_holds() {
    let under = |when: &str| {
        let mut entry = entry(json!({"rules": [{"allow": "false"}]}));
        entry.when = Some(when.to_owned());
        vec![entry]
    };
    let is_b = "request.headers['x-team'] == 'b'";
    assert!(listed(under(is_b), "a").await.is_ok());
    assert!(listed(under(is_b), "b").await.is_err());
    let error = listed(under("jwt.sub == 'x'"), "a").await.unwrap_err();
    assert_eq!(error.code().name, "condition_failed");
}

#[tokio::test]
async fn the_first_alternative_whose_condition_holds_applies() {
    let entries = || {
        vec![entry(json!({"conditional": [
            {"condition": "request.headers['x-team'] == 'a'", "policy": {"rules": [{"allow": "true"}]}},
            {"condition": "request.headers['x-team'] in ['a', 'b']", "policy": {"rules": [{"deny": "true"}]}},
            {"policy": {"rules": [{"require": "request.headers['x-team'] == 'c'"}]}},
        ]}))]
    };
    for (team, passes) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        assert_eq!(listed(entries(), team).await.is_ok(), passes, "{team}");
    }
}

#[test]
fn conditions_that_make_no_sense_are_refused_at_their_place() {
    let wrong = |body: Value| built::<Http>(vec![entry(body)]).unwrap_err().to_string();
    for (body, said) in [
        (
            json!({"conditional": []}),
            "/p0/conditional: there must be 1 to 16 alternatives",
        ),
        (
            json!({"conditional": [{"policy": {"rules": []}}, {"policy": {"rules": []}}]}),
            "/p0/conditional/0: an alternative without a condition always applies, so it must be last",
        ),
        (
            json!({"conditional": [{"condition": "1", "policy": {"rules": []}}]}),
            "/p0/conditional/0/condition: a condition must be true or false",
        ),
        (
            json!({"conditional": [{"policy": {"rules": []}}]}),
            "/p0/conditional/0/policy: there is no rule, so nothing would be refused",
        ),
        (
            json!({"conditional": [{"policy": {"rules": []}}], "rules": []}),
            "/p0/rules: unknown key `rules` (known keys: `conditional`)",
        ),
        (
            json!({"rules": [{"allow": "llm.model == 'x'"}]}),
            "/p0: `authorization` asks about an LLM call here, and this leads to a backend that speaks http",
        ),
    ] {
        assert_eq!(wrong(body), said);
    }
}

#[test]
fn a_rule_or_condition_that_names_the_call_makes_the_policy_typed() {
    use portcullis_core::llm::Llm;

    let mut when = entry(json!({"rules": [{"allow": "true"}]}));
    when.when = Some("llm.stream".to_owned());
    for (entry, typed) in [
        (entry(json!({"rules": [{"allow": "true"}]})), 0),
        (entry(json!({"rules": [{"allow": "llm.model == 'a'"}]})), 1),
        (
            entry(
                json!({"conditional": [{"condition": "llm.stream", "policy": {"rules": [{"allow": "true"}]}}]}),
            ),
            1,
        ),
        (when, 1),
    ] {
        let chain = built::<Llm>(vec![entry]).unwrap();
        assert_eq!((chain.http.len(), chain.typed.len()), (1 - typed, typed));
    }
}
