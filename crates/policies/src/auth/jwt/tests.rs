//! Claims about JSON web tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{EncodingKey, Header, encode};
use portcullis_core::body::Body;
use portcullis_core::context::{Context, Credential};
use portcullis_core::error::Error;
use portcullis_core::protocol::ArcService;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use super::*;
use crate::codes;
use crate::testing::{configured, refused};

const ISSUER: &str = "https://login.example.com/";

/// A key pair of an issuer.
struct Signer {
    id: &'static str,
    key: EncodingKey,
    public: Jwk,
    raw: Vec<u8>,
}

fn signer(id: &'static str) -> Signer {
    let pair = rcgen::KeyPair::generate().unwrap();
    // The first of all tests to need it decides.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    public.common.key_id = Some(id.to_owned());
    let raw = pair.public_key_raw().to_vec();
    Signer {
        id,
        key,
        public,
        raw,
    }
}

impl Signer {
    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.to_owned());
        encode(&header, claims, &self.key).unwrap()
    }
}

fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys = signers.iter().map(|s| s.public.clone()).collect();
    serde_json::to_vec(&JwkSet { keys }).unwrap()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "gw", "exp": now() + 600, "groups": ["dev"]})
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// Who calls with this token, or why nobody does.
async fn who(layer: &JwtLayer, token: &str) -> Result<Option<String>, Error> {
    let context = Context::default();
    let request = http::Request::builder()
        .header("authorization", format!("bearer {token}"))
        .extension(context.clone());
    let inner = tower::service_fn(async |_| Ok::<_, Error>(http::Response::new(())));
    layer
        .layer(inner)
        .oneshot(request.body(()).unwrap())
        .await?;
    Ok(context.principal().map(|p| {
        assert_eq!(p.credential, Credential::Jwt);
        p.id.to_string()
    }))
}

/// Why a token is not accepted, as the log has it.
async fn why(layer: &JwtLayer, token: &str) -> String {
    let error = who(layer, token).await.unwrap_err();
    assert_eq!(error.code(), &codes::TOKEN_INVALID, "{error:?}");
    assert!(!error.message().contains(token));
    std::error::Error::source(&error).unwrap().to_string()
}

fn layer(signer: &Signer) -> JwtLayer {
    let keys = KeySet::parse(&set(&[signer])).unwrap();
    JwtLayer::new([Issuer::new(ISSUER, keys).audiences(["gw", "other"])])
}

#[tokio::test]
async fn a_good_token_names_its_bearer() {
    let alice = signer("k1");
    let layer = layer(&alice);
    for claims in [
        claims(),
        with("aud", json!(["x", "other"])),
        with("exp", now() - 30),
        with("nbf", now() + 30),
    ] {
        let caller = who(&layer, &alice.sign(&claims)).await.unwrap();
        assert_eq!(caller.as_deref(), Some("alice"), "{claims}");
    }
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let (alice, mallory) = (signer("k1"), signer("k1"));
    let layer = layer(&alice);
    for (claims, reason) in [
        (with("exp", now() - 90), "ExpiredSignature"),
        (with("nbf", now() + 90), "ImmatureSignature"),
        (with("aud", "somebody else"), "InvalidAudience"),
        (without("aud"), "Missing required claim: aud"),
        (without("exp"), "Missing required claim: exp"),
        (with("exp", "tomorrow"), ""),
        (without("sub"), "the token has no claim `sub`"),
        (with("sub", 7), ""),
        (
            with("iss", "https://evil.example.com/"),
            "the issuer of the token is not known here",
        ),
        (without("iss"), "the issuer of the token is not known here"),
    ] {
        let told = why(&layer, &alice.sign(&claims)).await;
        assert!(told.contains(reason), "{claims}: {told}");
    }
    let told = why(&layer, &mallory.sign(&claims())).await;
    assert!(told.contains("InvalidSignature"), "{told}");
}

#[tokio::test]
async fn a_token_nobody_signed_or_somebody_else_made_is_refused() {
    let alice = signer("k1");
    let layer = layer(&alice);
    let good = alice.sign(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let coded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let none = coded(r#"{"alg":"none","kid":"k1"}"#);
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = Some("k1".to_owned());
    let secret = EncodingKey::from_secret(&alice.raw);
    let twice = coded(&format!(
        r#"{{"iss":"{ISSUER}","sub":"bob","sub":"alice","exp":9999999999}}"#
    ));
    for token in [
        "not-a-token".to_owned(),
        "a.b.c".to_owned(),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.{}", parts[2]),
        format!("{good}="),
        format!("{good}A"),
        format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        format!("{}.{twice}.{}", parts[0], parts[2]),
        encode(&confused, &claims(), &secret).unwrap(),
    ] {
        why(&layer, &token).await;
    }
    let told = why(&layer, &format!("{}.{twice}.{}", parts[0], parts[2])).await;
    assert_eq!(told, "a claim of the token stands twice");
    // A change of any letter of the signature is seen.
    for at in 0..parts[2].len() - 1 {
        let mut signature = parts[2].as_bytes().to_vec();
        signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
        let signature = String::from_utf8(signature).unwrap();
        why(&layer, &format!("{}.{}.{signature}", parts[0], parts[1])).await;
    }
}

#[tokio::test]
async fn a_shared_secret_counts_only_where_its_algorithm_is_named() {
    let secret =
        json!({"keys": [{"kty": "oct", "kid": "s", "k": URL_SAFE_NO_PAD.encode("secret")}]});
    let keys = || KeySet::parse(secret.to_string().as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("s".to_owned());
    let token = encode(&header, &claims(), &EncodingKey::from_secret(b"secret")).unwrap();
    let usual = JwtLayer::new([Issuer::new(ISSUER, keys())]);
    assert_eq!(
        why(&usual, &token).await,
        "the algorithm of the token is not allowed"
    );
    let named = JwtLayer::new([Issuer::new(ISSUER, keys()).algorithms([Algorithm::HS256])]);
    assert!(who(&named, &token).await.is_ok());
}

#[tokio::test]
async fn the_mode_says_what_becomes_of_the_rest() {
    let alice = signer("k1");
    for (mode, missing, wrong) in [
        (Mode::Strict, false, false),
        (Mode::Optional, true, false),
        (Mode::Permissive, true, true),
    ] {
        let layer = layer(&alice).mode(mode);
        let inner = tower::service_fn(async |_| Ok::<_, Error>(http::Response::new(())));
        let none = layer.layer(inner).oneshot(http::Request::new(())).await;
        assert_eq!(none.is_ok(), missing, "{mode:?}");
        assert_eq!(who(&layer, "x").await.is_ok(), wrong, "{mode:?}");
    }
}

/// A place of keys that can be changed, and counts how often it is asked.
#[derive(Clone, Default)]
struct Place {
    keys: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl Place {
    fn layer(&self) -> JwtLayer {
        let place = self.clone();
        let client = ArcService::from_fn(move |_| {
            let place = place.clone();
            async move {
                place.asked.fetch_add(1, Ordering::SeqCst);
                let keys = place.keys.lock().unwrap().clone();
                let body = bytes::Bytes::from(keys.clone().unwrap_or_default());
                let mut reply = http::Response::new(Body::from(body));
                if keys.is_none() {
                    *reply.status_mut() = StatusCode::BAD_GATEWAY;
                }
                Ok(reply)
            }
        });
        let keys = RemoteKeys::new("https://login.example.com/keys".parse().unwrap(), client);
        JwtLayer::new([Issuer::remote(ISSUER, Arc::new(keys))])
    }

    fn put(&self, signers: &[&Signer]) {
        *self.keys.lock().unwrap() = Some(set(signers));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_and_again_when_a_new_one_is_used() {
    let (old, new, place) = (signer("old"), signer("new"), Place::default());
    place.put(&[&old]);
    let layer = place.layer();
    for _ in 0..3 {
        assert!(who(&layer, &old.sign(&claims())).await.is_ok());
    }
    assert_eq!(place.asked(), 1);
    place.put(&[&old, &new]);
    // Just fetched: unknown keys do not make callers fetch.
    for _ in 0..100 {
        assert!(who(&layer, &new.sign(&claims())).await.is_err());
    }
    assert_eq!(place.asked(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(who(&layer, &new.sign(&claims())).await.is_ok());
    assert!(who(&layer, &old.sign(&claims())).await.is_ok());
    assert_eq!(place.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_is_gone_when_the_keys_are_old() {
    let (old, new, place) = (signer("old"), signer("new"), Place::default());
    place.put(&[&old]);
    let layer = place.layer();
    assert!(who(&layer, &old.sign(&claims())).await.is_ok());
    place.put(&[&new]);
    tokio::time::advance(Duration::from_secs(301)).await;
    assert!(who(&layer, &old.sign(&claims())).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn keys_serve_on_while_their_place_is_down_but_not_for_ever() {
    let (alice, place) = (signer("k"), Place::default());
    let layer = place.layer();
    let token = alice.sign(&with("exp", now() + 1_000_000));
    let error = who(&layer, &token).await.unwrap_err();
    assert_eq!(error.code(), &codes::KEYS_UNAVAILABLE);
    tokio::time::advance(Duration::from_secs(11)).await;
    place.put(&[&alice]);
    assert!(who(&layer, &token).await.is_ok());
    *place.keys.lock().unwrap() = None;
    let asked = place.asked();
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(2 * 60 * 60)).await;
        assert!(who(&layer, &token).await.is_ok());
    }
    assert_eq!(place.asked(), asked + 10);
    tokio::time::advance(Duration::from_secs(5 * 60 * 60)).await;
    let error = who(&layer, &token).await.unwrap_err();
    assert_eq!(error.code(), &codes::KEYS_UNAVAILABLE);
}

#[tokio::test]
async fn configured_providers_are_told_apart_by_their_issuer() {
    let (one, other) = (signer("k"), signer("k"));
    let dir = std::env::temp_dir().join(format!("portcullis-jwks-{}", std::process::id()));
    std::fs::write(&dir, set(&[&other])).unwrap();
    let inline: Value = serde_json::from_slice(&set(&[&one])).unwrap();
    let layer = configured(
        "jwtAuthentication",
        json!({"providers": [
            {"issuer": ISSUER, "audiences": ["gw"], "jwks": {"inline": inline}, "requiredClaims": ["exp", "groups"], "clockSkew": "1s"},
            {"issuer": "other", "jwks": {"file": &dir}, "algorithms": ["ES256"]},
        ], "location": {"header": {"name": "x-token"}}}),
    );
    std::fs::remove_file(&dir).unwrap();
    let service = layer.unwrap().layer(crate::testing::echo());
    let send = async |token: String| {
        let request = http::Request::builder().header("x-token", token);
        service
            .send(request.body(Body::empty()).unwrap())
            .await
            .is_ok()
    };
    assert!(send(one.sign(&claims())).await);
    assert!(!send(one.sign(&without("groups"))).await);
    assert!(!send(one.sign(&with("exp", now() - 30))).await);
    assert!(send(other.sign(&with("iss", "other"))).await);
    assert!(!send(one.sign(&with("iss", "other"))).await);
}

#[test]
fn providers_that_make_no_sense_are_refused_at_their_place() {
    let keys = json!({"inline": {"keys": []}});
    for (providers, said) in [
        (json!([]), "/p/providers: there must be 1 to 64 providers"),
        (
            json!([{"issuer": "a", "jwks": keys}, {"issuer": "a", "jwks": keys}]),
            "/p/providers/1/issuer: two providers of the same issuer, see /p/providers/0",
        ),
        (
            json!([{"issuer": "a", "jwks": {"inline": "{}"}}]),
            "/p/providers/0/jwks/inline: not a JWK set",
        ),
        (
            json!([{"issuer": "a", "jwks": {"file": "/no/such"}}]),
            "/p/providers/0/jwks/file: cannot be read",
        ),
        (
            json!([{"issuer": "a", "jwks": {"url": "http://login.example.com/"}}]),
            "/p/providers/0/jwks/url: expected an `https` URL, or an `http` one of this machine",
        ),
        (
            json!([{"issuer": "a", "jwks": keys, "algorithms": ["none"]}]),
            "/p/providers/0/algorithms/0: not an algorithm of JSON web tokens",
        ),
        (
            json!([{"issuer": "a", "jwks": keys, "clockSkew": "2h"}]),
            "/p/providers/0/clockSkew: at most an hour",
        ),
    ] {
        let told = refused("jwtAuthentication", json!({"providers": providers}));
        assert!(told.starts_with(said), "{told}");
    }
}
