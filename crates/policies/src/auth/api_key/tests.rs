//! Claims about API keys.

use std::sync::Arc;

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use portcullis_core::Request;
use portcullis_core::assemble::Level;
use portcullis_core::body::Body;
use portcullis_core::context::{Context, Decision};
use portcullis_core::error::Error;
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::respond::RespondLayer;
use serde_json::json;
use tower::{Layer, ServiceExt};

use super::*;
use crate::codes;
use crate::testing::{configured, configured_on, decisions, echo, recorded, refused};

/// `printf alice-1 | sha256sum`
const HASH: &str = "sha256:a42ac5108869b599bcbac21069f63fb47f07452fcc4b87e89b3c06a945612d0b";

type Caller = Option<(Arc<str>, bool)>;

async fn call(layer: &ApiKeyLayer, headers: &[(&str, &str)]) -> Result<Caller, Error> {
    let mut request = http::Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (context, _records) = recorded();
    let request = request.extension(context.clone()).body(()).unwrap();
    let inner = tower::service_fn(async |_| Ok::<_, Error>(http::Response::new(())));
    layer.layer(inner).oneshot(request).await?;
    Ok(context
        .principal()
        .map(|p| (p.id.clone(), p.metadata.is_some())))
}

fn alice() -> ApiKeyLayer {
    ApiKeyLayer::new([ApiKey::new("alice-1").id("alice")]).unwrap()
}

async fn code(layer: &ApiKeyLayer, headers: &[(&str, &str)]) -> &'static str {
    call(layer, headers).await.unwrap_err().code().name
}

#[tokio::test]
async fn a_known_key_names_its_bearer_wherever_it_is_sent() {
    for header in [
        ("authorization", "Bearer alice-1"),
        ("authorization", "bearer   alice-1 "),
        ("x-api-key", "alice-1"),
        ("api-key", "alice-1"),
        ("x-goog-api-key", "alice-1"),
    ] {
        let caller = call(&alice(), &[header]).await.unwrap();
        assert_eq!(caller, Some(("alice".into(), false)), "{header:?}");
    }
}

#[tokio::test]
async fn the_same_key_in_two_headers_is_one_key_and_two_keys_are_refused() {
    let same = [
        ("authorization", "Bearer alice-1"),
        ("x-api-key", "alice-1"),
    ];
    assert!(call(&alice(), &same).await.unwrap().is_some());
    for two in [
        [("authorization", "Bearer alice-1"), ("x-api-key", "other")],
        [("x-api-key", "alice-1"), ("x-api-key", "other")],
    ] {
        let error = call(&alice().optional(), &two).await.unwrap_err();
        assert_eq!(error.code(), &codes::API_KEY_INVALID);
        assert!(
            error
                .message()
                .starts_with("there are different API keys in")
        );
        assert!(!error.message().contains("alice-1"));
    }
}

#[tokio::test]
async fn a_missing_unknown_or_empty_key_is_refused() {
    assert_eq!(code(&alice(), &[]).await, "api_key_missing");
    assert_eq!(
        code(&alice(), &[("authorization", "Basic YTpi")]).await,
        "api_key_missing"
    );
    for header in [
        ("x-api-key", "alice-2"),
        ("x-api-key", "alice-"),
        ("x-api-key", ""),
        ("authorization", "Bearer"),
        ("authorization", "Bearer "),
        ("authorization", "Bearer ALICE-1"),
    ] {
        assert_eq!(
            code(&alice(), &[header]).await,
            "api_key_invalid",
            "{header:?}"
        );
    }
}

#[tokio::test]
async fn an_empty_key_is_refused_by_its_header_even_beside_a_known_one() {
    let both = [("x-api-key", "alice-1"), ("api-key", " ")];
    let error = call(&alice().optional(), &both).await.unwrap_err();
    assert_eq!(error.message(), "the API key in `api-key` is empty");
}

#[tokio::test]
async fn an_optional_key_may_be_absent_but_not_wrong() {
    let layer = alice().optional();
    assert_eq!(call(&layer, &[]).await.unwrap(), None);
    assert!(
        call(&layer, &[("api-key", "alice-1")])
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        code(&layer, &[("api-key", "wrong")]).await,
        "api_key_invalid"
    );
}

#[tokio::test]
async fn a_key_counts_until_it_expires() {
    let key = || ApiKey::new("alice-1").id("alice");
    let of = |time: &str| ApiKeyLayer::new([key().expires(time.parse().unwrap())]).unwrap();
    let header = ("x-api-key", "alice-1");
    assert!(call(&of("2999-01-01T00:00:00Z"), &[header]).await.is_ok());
    let error = call(&of("2020-01-01T00:00:00Z"), &[header]).await;
    assert_eq!(error.unwrap_err().message(), "the API key has expired");
}

#[tokio::test]
async fn a_permissive_layer_lets_wrong_keys_pass_without_a_principal() {
    let layer = alice().mode(Mode::Permissive);
    assert_eq!(call(&layer, &[("x-api-key", "x")]).await.unwrap(), None);
    let known = call(&layer, &[("x-api-key", "alice-1")]).await.unwrap();
    assert!(known.is_some());
}

#[tokio::test]
async fn a_refusal_is_a_401_that_asks_for_a_bearer_token() {
    let service = RespondLayer::problem().layer(alice().layer(echo()));
    let reply = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers()[WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn several_keys_may_share_an_id_and_a_nameless_one_is_called_by_its_digest() {
    let layer = ApiKeyLayer::new([
        ApiKey::new("alice-1").id("alice"),
        ApiKey::new("alice-2").id("alice"),
        ApiKey::new("abc"),
    ])
    .unwrap();
    for (key, id) in [
        ("alice-1", "alice"),
        ("alice-2", "alice"),
        ("abc", "key-ba7816bf"),
    ] {
        let caller = call(&layer, &[("x-api-key", key)]).await.unwrap();
        assert_eq!(caller.unwrap().0.as_ref(), id);
    }
}

#[tokio::test]
async fn a_layer_without_keys_refuses_every_call() {
    let layer = ApiKeyLayer::new([]).unwrap();
    assert_eq!(
        code(&layer, &[("x-api-key", "alice-1")]).await,
        "api_key_invalid"
    );
}

#[tokio::test]
async fn the_record_says_who_called_and_what_was_decided() {
    for (key, decision, who) in [
        ("alice-1", Decision::Allowed, Some("alice")),
        ("wrong", Decision::Refused, None),
    ] {
        let (context, records) = recorded();
        let request = http::Request::builder().header("x-api-key", key);
        let request = request
            .extension(context.clone())
            .body(Body::empty())
            .unwrap();
        let answer = alice().layer(echo()).oneshot(request).await;
        assert_eq!(answer.is_ok(), who.is_some());
        assert_eq!(context.principal().map(|p| &*p.id), who);
        assert_eq!(
            decisions(&context, &records),
            [("apiKeyAuthentication", decision)]
        );
    }
}

#[tokio::test]
async fn a_principal_set_before_stays() {
    let (context, _records) = recorded();
    context.set_principal(portcullis_core::context::Principal::new("from a token"));
    let request = http::Request::builder().header("x-api-key", "alice-1");
    let request = request
        .extension(context.clone())
        .body(Body::empty())
        .unwrap();
    alice().layer(echo()).oneshot(request).await.unwrap();
    assert_eq!(&*context.principal().unwrap().id, "from a token");
}

#[test]
fn a_key_prints_nothing_that_helps_to_guess_it() {
    let key = ApiKey::new("alice-1");
    let shown = format!("{key:?} {:?}", ApiKeyLayer::new([key.clone()]));
    assert!(!shown.contains("alice-1"));
    assert!(!shown.contains(&HASH["sha256:".len() + 8..]));
}

#[tokio::test]
async fn a_configured_key_may_be_plain_or_a_digest() {
    let digest = "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let layer = configured(
        "apiKeyAuthentication",
        json!({"mode": "optional", "keys": [
            {"keyHash": digest, "id": "abc", "metadata": {"team": "research"}},
            {"key": "plain-key"},
        ]}),
    )
    .unwrap();
    let seen: ArcService<Http> = ArcService::from_fn(async |request: Request| {
        let context = request.extensions().get::<Context>().unwrap();
        let who = context
            .principal()
            .map(|p| format!("{} {:?}", p.id, p.metadata));
        Ok(http::Response::new(who.unwrap_or_default().into()))
    });
    let service = layer.layer(seen);
    for (key, who) in [
        (Some("abc"), r#"abc Some({"team": String("research")})"#),
        (Some("plain-key"), "key-"),
        (None, ""),
    ] {
        let mut request = Request::new(Body::empty());
        if let Some(key) = key {
            request
                .headers_mut()
                .insert("x-api-key", key.parse().unwrap());
        }
        let said = service.send(request).await.unwrap().into_body();
        let said = said.collect(1000).await.unwrap();
        assert!(said.starts_with(who.as_bytes()), "{said:?}");
    }
}

#[test]
fn configuration_that_makes_no_sense_is_refused_at_its_place() {
    let bad_hash = "/p/keys/1/keyHash: a hash is `sha256:` and 64 hexadecimal digits";
    for (keys, said) in [
        (
            json!([]),
            "/p/keys: no key is listed, so every call would be refused",
        ),
        (
            json!([{}]),
            "/p/keys/0: either `key` or `keyHash` is needed",
        ),
        (
            json!([{"key": "a", "keyHash": HASH}]),
            "/p/keys/0: `key` and `keyHash` are both given, leave one out",
        ),
        (json!([{"key": "a"}, {"keyHash": "abc"}]), bad_hash),
        (json!([{"key": "a"}, {"keyHash": &HASH[..70]}]), bad_hash),
        (
            json!([{"key": "a"}, {"keyHash": format!("{HASH}0")}]),
            bad_hash,
        ),
        (
            json!([{"key": "a"}, {"keyHash": HASH.replace('c', "+")}]),
            bad_hash,
        ),
        (
            json!([{"key": "two words"}]),
            "/p/keys/0/key: a key consists of visible ASCII characters",
        ),
        (
            json!([{"key": "a", "expiresAt": "tomorrow"}]),
            "/p/keys/0/expiresAt: expected a time like `2027-01-01T00:00:00Z`",
        ),
        (
            json!([{"key": "a", "allowedModels": []}]),
            "/p/keys/0/allowedModels: no model is listed, so the key would be of no use",
        ),
        (
            json!([{"key": "a", "id": ""}]),
            "/p/keys/0/id: the id is empty",
        ),
        (
            json!([{"key": "a", "id": "x\n"}]),
            "/p/keys/0/id: the id has control characters",
        ),
        (
            json!([{"key": "a"}, {"key": "b"}, {"key": "a", "id": "x"}]),
            "/p/keys/2: the same key is listed twice, see /p/keys/0 (leave one of the two out)",
        ),
        (
            json!([{"key": "a", "name": "x"}]),
            "/p/keys/0/name: unknown key `name` (known keys: `key`, `keyHash`, `id`, `expiresAt`, `allowedModels`, `metadata`)",
        ),
    ] {
        assert_eq!(refused("apiKeyAuthentication", json!({"keys": keys})), said);
    }
}

#[test]
fn a_digest_and_its_key_are_the_same_key() {
    let of_abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let twice = json!({"keys": [{"key": "abc"}, {"keyHash": of_abc}]});
    let said = refused("apiKeyAuthentication", twice);
    assert!(
        said.starts_with("/p/keys/1: the same key is listed twice"),
        "{said}"
    );
}

#[test]
fn keys_have_no_meaning_on_a_backend() {
    let keys = json!({"keys": [{"key": "a"}]});
    let error = configured_on(Level::Backend, "apiKeyAuthentication", keys).unwrap_err();
    assert_eq!(
        error.hint.as_deref(),
        Some("put it on a listener or a route")
    );
}
