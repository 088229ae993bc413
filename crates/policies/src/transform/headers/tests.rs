//! Claims about edits of headers.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::body::Body;
use portcullis_core::context::Decision;
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::{Request, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::testing::{configured, decisions, recorded, refused};

type Pairs = Vec<(&'static str, &'static str)>;

fn pair() -> impl Strategy<Value = (&'static str, &'static str)> {
    let names = prop::sample::select(vec!["a", "b", "c", "d"]);
    let values = prop::sample::select(vec!["1", "2", "3"]);
    (names, values)
}

fn name(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

fn edits(remove: &[&'static str], set: &Pairs, add: &Pairs) -> HeaderEdits {
    let value = HeaderValue::from_static;
    let edits = HeaderEdits::new();
    let edits = remove.iter().fold(edits, |e, n| e.remove(name(n)));
    let edits = add.iter().fold(edits, |e, (n, v)| e.add(name(n), value(v)));
    set.iter().fold(edits, |e, (n, v)| e.set(name(n), value(v)))
}

fn map(pairs: &Pairs) -> HeaderMap {
    let header = |(n, v): &(&'static str, &'static str)| (name(n), HeaderValue::from_static(v));
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(header) {
        map.append(name, value);
    }
    map
}

/// Removing, then setting, then adding, on a plain list.
fn naively(mut pairs: Pairs, remove: &[&'static str], set: &Pairs, add: &Pairs) -> Pairs {
    pairs.retain(|(name, _)| !remove.contains(name));
    for (name, value) in set {
        pairs.retain(|(other, _)| other != name);
        pairs.push((name, value));
    }
    pairs.extend(add);
    pairs
}

proptest! {
    #[test]
    fn headers_are_removed_then_set_then_added_to(
        before in vec(pair(), 0..8),
        remove in vec(pair().prop_map(|(name, _)| name), 0..3),
        set in vec(pair(), 0..4),
        add in vec(pair(), 0..4),
    ) {
        let mut headers = map(&before);
        edits(&remove, &set, &add).apply(&mut headers);
        prop_assert_eq!(headers, map(&naively(before, &remove, &set, &add)));
    }

    #[test]
    fn without_additions_a_second_time_changes_nothing(
        before in vec(pair(), 0..8),
        remove in vec(pair().prop_map(|(name, _)| name), 0..3),
        set in vec(pair(), 0..4),
    ) {
        let edits = edits(&remove, &set, &Vec::new());
        let mut once = map(&before);
        edits.apply(&mut once);
        let mut twice = once.clone();
        edits.apply(&mut twice);
        prop_assert_eq!(once, twice);
    }
}

#[tokio::test]
async fn request_and_reply_are_edited_each_with_its_own() {
    let layer = HeaderModifiersLayer::new()
        .request(edits(&["a"], &vec![], &vec![("b", "2")]))
        .response(edits(&[], &vec![("a", "9")], &vec![]));
    let mirror = service_fn(async |request: http::Request<()>| {
        let mut reply = http::Response::new(());
        *reply.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(reply)
    });
    let mut request = http::Request::new(());
    *request.headers_mut() = map(&vec![("a", "1"), ("b", "1")]);
    let reply = layer.layer(mirror).oneshot(request).await.unwrap();
    let expected = map(&vec![("b", "1"), ("b", "2"), ("a", "9")]);
    assert_eq!(reply.headers(), &expected);
}

#[tokio::test]
async fn an_error_passes_as_it_is() {
    let fails = service_fn(async |_: http::Request<()>| {
        Err::<http::Response<()>, _>(Error::new(&codes::PANICKED, "as the test wants it"))
    });
    let layer = HeaderModifiersLayer::new().response(edits(&["a"], &vec![], &vec![]));
    let error = layer
        .layer(fails)
        .oneshot(http::Request::new(()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), &codes::PANICKED);
    assert!(error.headers().is_empty());
}

fn mirror() -> ArcService<Http> {
    ArcService::from_fn(async |request: Request| {
        let shown = format!("{:?}", request.headers());
        let mut reply = Response::new(shown.into());
        *reply.headers_mut() = request.headers().clone();
        Ok(reply)
    })
}

#[tokio::test]
async fn a_configured_value_is_sent_and_does_not_print() {
    let body = json!({
        "request": {
            "set": [{"name": "Authorization", "value": "Bearer sk-1"}],
            "add": [{"name": "x-tag", "value": "sk-2"}, {"name": "x-tag", "value": "sk-3"}],
            "remove": ["X-Debug"],
        },
        "response": {"add": [{"name": "x-tag", "value": "sk-4"}]},
    });
    let (context, records) = recorded();
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(context.clone());
    *request.headers_mut() = map(&vec![("authorization", "mine"), ("x-debug", "1")]);
    let service = configured("headerModifiers", body.clone())
        .unwrap()
        .layer(mirror());
    let reply = service.send(request).await.unwrap();
    let expected = vec![
        ("authorization", "Bearer sk-1"),
        ("x-tag", "sk-2"),
        ("x-tag", "sk-3"),
        ("x-tag", "sk-4"),
    ];
    assert_eq!(reply.headers(), &map(&expected));
    let shown = reply.into_body().collect(1000).await.unwrap();
    assert!(
        !String::from_utf8_lossy(&shown).contains("sk-"),
        "{shown:?}"
    );
    assert_eq!(
        decisions(&context, &records),
        [("headerModifiers", Decision::Changed)]
    );
    let config: HeaderModifiersConfig = serde_json::from_value(body).unwrap();
    assert!(!format!("{config:?}").contains("sk-"));
}

#[test]
fn edits_print_names_only() {
    let shown = format!("{:?}", edits(&["a"], &vec![("b", "1")], &vec![("c", "2")]));
    assert_eq!(
        shown,
        r#"HeaderEdits { remove: ["a"], set: ["b"], add: ["c"] }"#
    );
}

#[test]
fn names_the_gateway_owns_are_refused_in_every_list() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
    ] {
        let lower = name.to_lowercase();
        let said = |place: &str| {
            format!(
                "/p/{place}: `{lower}` belongs to the connection, which the gateway keeps itself"
            )
        };
        let header = json!([{"name": name, "value": "x"}]);
        let refused = |body| refused("headerModifiers", body);
        assert_eq!(
            refused(json!({"request": {"set": header}})),
            said("request/set/0/name")
        );
        assert_eq!(
            refused(json!({"response": {"add": header}})),
            said("response/add/0/name")
        );
        assert_eq!(
            refused(json!({"request": {"remove": [name]}})),
            said("request/remove/0")
        );
    }
}

#[test]
fn what_is_no_header_or_would_be_ignored_is_refused_at_its_place() {
    let header = |name: &str, value: &str| json!({"name": name, "value": value});
    let cases: [(Value, &str); 7] = [
        (
            json!({"request": {"set": [header("a b", "1")]}}),
            "/p/request/set/0/name: not a header's name",
        ),
        (
            json!({"request": {"add": [header("a", "1"), header("b", "1\r\nc: 2")]}}),
            "/p/request/add/1/value: a header's value is one line of visible ASCII characters and spaces",
        ),
        (
            json!({"response": {"set": [header("a", "1"), header("A", "2")]}}),
            "/p/response/set/1/name: `a` is listed twice, see /p/response/set/0/name",
        ),
        (
            json!({"response": {"remove": ["a", "b", "a"]}}),
            "/p/response/remove/2: `a` is listed twice, see /p/response/remove/0",
        ),
        (
            json!({"request": {"set": [header("a", "")]}}),
            "/p/request/set/0/value: the secret is empty",
        ),
        (
            json!({"request": {"set": [{"name": "a"}]}}),
            "/p/request/set/0: missing key `value`",
        ),
        (
            json!({"reply": {}}),
            "/p/reply: unknown key `reply` (known keys: `request`, `response`)",
        ),
    ];
    for (body, said) in cases {
        assert_eq!(refused("headerModifiers", body), said);
    }
}
