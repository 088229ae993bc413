//! What a browser, a rebound name and a program on this machine get.

use http::{Request, Response, StatusCode};
use portcullis_core::body::Body;
use portcullis_core::error::Error;
use portcullis_core::respond::RespondLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::LocalOnlyLayer;

async fn post(headers: &[(&str, &str)]) -> StatusCode {
    let service = ServiceBuilder::new()
        .layer(RespondLayer::problem())
        .layer(LocalOnlyLayer)
        .service(service_fn(async |_: Request<Body>| {
            Ok::<_, Error>(Response::new(Body::empty()))
        }));
    let mut request = Request::post("/v1/chat/completions");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service
        .oneshot(request.body(Body::from("{}")).unwrap())
        .await
        .unwrap()
        .status()
}

#[tokio::test]
async fn programs_on_this_machine_pass_whatever_they_send() {
    for host in [
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST:1",
        "[::1]:8080",
        "a.localhost",
        "127.9.9.9",
    ] {
        assert_eq!(post(&[("host", host)]).await, StatusCode::OK, "{host}");
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert_eq!(
            post(&[("host", host), form]).await,
            StatusCode::OK,
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_not_this_machine_is_refused() {
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost.evil",
        "0.0.0.0",
        "",
    ] {
        assert_eq!(
            post(&[("host", host)]).await,
            StatusCode::FORBIDDEN,
            "{host}"
        );
    }
    assert_eq!(post(&[]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let host = ("host", "127.0.0.1:8080");
    let json = ("content-type", "application/json");
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
    ] {
        assert_eq!(
            post(&[host, json, ("origin", origin)]).await,
            StatusCode::FORBIDDEN,
            "{origin}"
        );
    }
    assert_eq!(
        post(&[host, json, ("sec-fetch-site", "cross-site")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        post(&[host, json, ("origin", "http://localhost:3000")]).await,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_browser_must_send_json() {
    let browser = [
        ("host", "127.0.0.1:8080"),
        ("sec-fetch-site", "same-origin"),
    ];
    for kind in [
        "text/plain",
        "Text/Plain; charset=utf-8",
        "multipart/form-data; boundary=x",
    ] {
        let status = post(&[browser[0], browser[1], ("content-type", kind)]).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(post(&browser).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
