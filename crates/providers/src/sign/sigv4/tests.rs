use std::time::Duration;

use http::Method;
use portcullis_core::config::Secret;
use portcullis_core::upstream::{Credential, Origin};

use super::*;

/// The keys of AWS's published examples.
fn keys(token: Option<&str>) -> AwsKeys {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into());
    let token = token.map(|token| Secret::new(token.into()));
    AwsKeys::new("AKIDEXAMPLE", &secret, token.as_ref())
}

fn request(method: Method, uri: &str, body: &'static str) -> http::Request<Body> {
    let mut request = http::Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().unwrap();
    request
}

/// The signature put on a request at the time of AWS's examples, 2015-08-30 12:36:00 UTC.
fn signed(mut request: http::Request<Body>, keys: &AwsKeys, region: &str) -> HeaderMap {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
    let signer = SigV4::new(Arc::new(keys.clone()), region, "bedrock");
    signer.sign_at(&mut request, keys, time).unwrap();
    request.headers().clone()
}

/// Expected are the headers that botocore 1.43.11 (`SigV4Auth`) makes of the same requests.
#[test]
fn signatures_are_those_botocore_makes() {
    let json = HeaderValue::from_static("application/json");
    let url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-x-v1%3A0/converse";
    let mut plain = request(Method::POST, url, r#"{"messages":[]}"#);
    plain.headers_mut().insert(CONTENT_TYPE, json.clone());
    plain
        .headers_mut()
        .insert("x-other", HeaderValue::from_static("1"));
    let headers = signed(plain, &keys(None), "us-east-1");
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(
        headers["x-amz-content-sha256"],
        "5e4ce7b36ba37b78a5d5f9fd08e6b7b54ba6879d651aa46ec9e1d6fa24ebe30a"
    );
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=a123f06ff1bd4a4d63d7a591a2f3a93af5ddf2526c5869ffd9b6c6a875e81a1e"
    );
    assert!(headers["authorization"].is_sensitive());

    let url = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fa/converse-stream?b=2&a=%2F%20x";
    let mut lent = request(Method::POST, url, "{}");
    lent.headers_mut().insert(CONTENT_TYPE, json);
    let token = keys(Some("AQoDYXdzEPT//////////wEXAMPLE"));
    let headers = signed(lent, &token, "eu-west-1");
    assert_eq!(
        headers["x-amz-security-token"],
        "AQoDYXdzEPT//////////wEXAMPLE"
    );
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=f4c1b5ca61f291ef6715bf0d5d673f26101047434ef6c9a0d272f9ef57ffd57a"
    );

    let get = request(Method::GET, "http://127.0.0.1:8080/async-invoke", "");
    let headers = signed(get, &keys(None), "us-east-1");
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=60da6f74d81cd0409a1ce5f18569f2515fba54f4049000c3b53e011ce8b59219"
    );
}

#[test]
fn the_callers_own_signature_stays_behind() {
    let signer = SigV4::new(Arc::new(keys(None)), "us-east-1", "bedrock");
    let origin = Origin::parse("https://h.example").unwrap();
    let origin = origin.with_credential(Credential::signing(Arc::new(signer)));
    let mut caller = HeaderMap::new();
    for name in [
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        caller.insert(name, HeaderValue::from_static("callers"));
    }
    caller.insert("amz-sdk-request", HeaderValue::from_static("attempt=1"));
    let sent = origin.request(
        Method::POST,
        "/model/a/converse",
        None,
        &caller,
        Body::from("{}"),
    );
    let sent = sent.unwrap();
    assert!(sent.headers().values().all(|value| value != "callers"));
    assert_eq!(sent.headers().get("x-amz-security-token"), None);
    assert_eq!(sent.headers()["amz-sdk-request"], "attempt=1");
}

#[test]
fn a_body_that_is_not_whole_is_not_signed() {
    let signer = SigV4::new(Arc::new(keys(None)), "us-east-1", "bedrock");
    let mut request = request(Method::POST, "https://h.example/", "");
    *request.body_mut() = Body::new(http_body_util::StreamBody::new(
        futures_util::stream::empty::<
            Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>,
        >(),
    ));
    let e = signer.sign(&mut request).unwrap_err();
    assert_eq!(*e.code(), UNSIGNED);
    assert_eq!(request.headers().get("authorization"), None);
}

#[test]
fn keys_do_not_print() {
    let signer = SigV4::new(Arc::new(keys(Some("token-token"))), "us-east-1", "bedrock");
    let printed = format!("{signer:?}");
    let printed = format!("{printed} {:?}", Credential::signing(Arc::new(signer)));
    assert!(
        !printed.contains("wJalr") && !printed.contains("token-token"),
        "{printed}"
    );
}
