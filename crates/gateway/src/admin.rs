//! Beside the line: what the admin listener answers: whether the gateway lives, is ready, what it counted, and
//! which configuration serves.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use portcullis_core::BoxFuture;
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::respond::{Problem, Render};
use tower_service::Service;

use crate::status::Status;
use crate::telemetry::{self, Recorder};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether the gateway should be sent calls. Clones share it; it begins as "starting".
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// A gateway that is starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that it takes calls. After [`draining`](Self::draining) this changes nothing.
    pub fn ready(&self) {
        let (order, state) = (Ordering::Relaxed, &self.0);
        // A gateway that drains stays so.
        let _ = state.compare_exchange(STARTING, READY, order, order);
    }

    /// Says that it is stopping, for good.
    pub fn draining(&self) {
        self.0.store(DRAINING, Ordering::Relaxed);
    }

    /// Whether it takes calls.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READY
    }
}

/// The service of the admin listener.
///
/// `GET /livez` answers 200 as long as anything answers; `GET /readyz` 200 when [ready](Readiness), else 503
/// with the reason; `GET /metrics` the metrics, every call that has ended counted; `GET /config/report` the
/// [`Status`] of the configuration as JSON, where it was given one. Everything else is 404.
/// It asks nobody who they are: it belongs on a loopback address, or behind a policy.
#[derive(Clone, Debug)]
pub struct Admin {
    recorder: Arc<Recorder>,
    readiness: Readiness,
    status: Option<Arc<ArcSwap<Status>>>,
}

impl Admin {
    /// A service that tells of `recorder` and `readiness`.
    pub fn new(recorder: Arc<Recorder>, readiness: Readiness) -> Self {
        Self {
            recorder,
            readiness,
            status: None,
        }
    }

    /// Tells of the configuration, too.
    #[must_use]
    pub fn with_status(mut self, status: Arc<ArcSwap<Status>>) -> Self {
        self.status = Some(status);
        self
    }

    async fn answer(self, method: Method, path: String) -> Response<Body> {
        let known = match &*path {
            "/config/report" => self.status.is_some(),
            path => matches!(path, "/livez" | "/readyz" | "/metrics"),
        };
        if !known {
            return Problem.whole(&Error::new(&codes::ROUTE_NOT_FOUND, "no such page"));
        }
        if method != Method::GET && method != Method::HEAD {
            let allow = HeaderValue::from_static("GET, HEAD");
            let error = Error::new(&codes::METHOD_NOT_ALLOWED, "this page can only be read");
            return Problem.whole(&error.header(ALLOW, allow));
        }
        match &*path {
            "/metrics" => self.metrics().await,
            "/readyz" => self.ready(),
            "/config/report" => self.report(),
            _ => text(StatusCode::OK, "live\n"),
        }
    }

    fn ready(&self) -> Response<Body> {
        match self.readiness.0.load(Ordering::Relaxed) {
            READY => text(StatusCode::OK, "ready\n"),
            STARTING => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        }
    }

    fn report(&self) -> Response<Body> {
        let status = self.status.as_ref().map(|status| status.load_full());
        let mut page = serde_json::to_string_pretty(&status).expect("a status is plain data");
        page.push('\n');
        let mut reply = Response::new(Body::from(page));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }

    async fn metrics(&self) -> Response<Body> {
        self.recorder.flush().await;
        let page = self.recorder.metrics().encode();
        let mut reply = Response::new(Body::from(page));
        let content_type = HeaderValue::from_static(telemetry::CONTENT_TYPE);
        reply.headers_mut().insert(CONTENT_TYPE, content_type);
        reply
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut reply = Response::new(Body::from(text));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

impl<B> Service<Request<B>> for Admin {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let admin = self.clone();
        Box::pin(async move { Ok(admin.answer(method, path).await) })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::context::ExchangeSink;

    use super::*;
    use crate::telemetry::{RecorderConfig, sample};

    fn admin() -> Admin {
        let config = RecorderConfig {
            gather: std::time::Duration::from_secs(3600),
            ..RecorderConfig::default()
        };
        Admin::new(Recorder::start(config).unwrap(), Readiness::new())
    }

    async fn ask(admin: &Admin, method: &str, path: &str) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path).body(());
        let reply = admin.clone().call(request.unwrap()).await.unwrap();
        let status = reply.status().as_u16();
        let content_type = reply.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = reply.into_body().collect(1 << 20).await.unwrap();
        (
            status,
            content_type,
            String::from_utf8(body.into()).unwrap(),
        )
    }

    #[tokio::test]
    async fn it_is_ready_between_its_start_and_its_drain() {
        let admin = admin();
        assert_eq!(ask(&admin, "GET", "/livez").await.0, 200);
        assert_eq!(ask(&admin, "GET", "/readyz").await.0, 503);
        admin.readiness.ready();
        assert!(admin.readiness.is_ready());
        assert_eq!(ask(&admin, "GET", "/readyz?verbose").await.0, 200);
        admin.readiness.draining();
        admin.readiness.ready();
        let (status, _, body) = ask(&admin, "GET", "/readyz").await;
        assert_eq!((status, &*body), (503, "draining\n"));
        assert_eq!(ask(&admin, "GET", "/livez").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_count_every_call_that_has_ended() {
        let admin = admin();
        admin.recorder.record(sample::chat());
        let (status, content_type, body) = ask(&admin, "GET", "/metrics").await;
        assert_eq!((status, &*content_type), (200, telemetry::CONTENT_TYPE));
        assert!(
            body.contains("portcullis_calls_total{project=\"team-a\""),
            "{body}"
        );
    }

    #[tokio::test]
    async fn everything_else_is_refused_as_a_problem() {
        let admin = admin();
        for (method, path, expected) in [
            ("GET", "/", 404),
            ("GET", "/metrics/", 404),
            ("POST", "/metrics", 405),
        ] {
            let (status, content_type, _) = ask(&admin, method, path).await;
            assert_eq!(status, expected);
            assert_eq!(content_type, "application/problem+json");
        }
    }
}
