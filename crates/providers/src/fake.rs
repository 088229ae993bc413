//! What surrounds a backend in tests: a builder, a client that notes what it is asked, a caller.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use http_body_util::BodyExt;
use portcullis_core::assemble::{AnyService, Build, BuildContext, Registry};
use portcullis_core::body::Body;
use portcullis_core::config::{ConfigError, Kind, ObjectId, Pointer};
use portcullis_core::context::{Context, Exchange, ExchangeSink, RequestId};
use portcullis_core::error::{Code, Error, Fault, Kind as ErrorKind};
use portcullis_core::llm::{Llm, LlmCodec};
use portcullis_core::protocol::{ArcService, Codec, Http};
use serde_json::Value;

/// An error of the kind a full gateway makes.
pub(crate) static FULL: Code = Code {
    name: "full",
    status: 503,
    kind: ErrorKind::Unavailable,
    fault: Fault::Gateway,
    about: "no room",
    remedy: "wait",
};

/// A request as the upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Answer = Result<http::Response<Body>, Error>;

/// The builder of a snapshot, with one upstream.
pub(crate) struct Fake {
    pub(crate) registry: Registry,
    client: ArcService<Http>,
    seen: Arc<Mutex<Vec<Seen>>>,
    backends: HashMap<String, ArcService<Llm>>,
}

impl Fake {
    /// An upstream that answers so.
    pub(crate) fn new(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let mut registry = Registry::new();
        crate::register(&mut registry);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (seen.clone(), Arc::new(answer));
        let client = ArcService::from_fn(move |request: http::Request<Body>| {
            let (noted, answer) = (noted.clone(), answer.clone());
            async move {
                let (head, body) = request.into_parts();
                let seen = Seen {
                    method: head.method,
                    uri: head.uri,
                    headers: head.headers,
                    body: body.collect(64 << 20).await?,
                };
                noted.lock().unwrap().push(seen.clone());
                answer(&seen)
            }
        });
        Self {
            registry,
            client,
            seen,
            backends: HashMap::new(),
        }
    }

    /// An upstream behind a client of its own; it notes nothing.
    pub(crate) fn reached_by(client: ArcService<Http>) -> Self {
        let mut fake = Self::json("");
        fake.client = client;
        fake
    }

    /// An upstream that answers every request with this JSON.
    pub(crate) fn json(body: &'static str) -> Self {
        Self::new(move |_| Ok(reply(200, &[("content-type", "application/json")], body)))
    }

    /// Has another backend.
    pub(crate) fn with(mut self, name: &str, service: ArcService<Llm>) -> Self {
        self.backends.insert(name.into(), service);
        self
    }

    /// Builds the backend `main` of this kind.
    pub(crate) fn backend(
        &self,
        kind: &str,
        body: impl Borrow<Value>,
    ) -> Result<ArcService<Llm>, ConfigError> {
        let owner = ObjectId::new("default", Kind::Backend, "main");
        let at = Pointer::root().key(kind);
        let cx = BuildContext::new(self, &owner, at, &[]);
        let built = self
            .registry
            .get_backend(kind)
            .unwrap()
            .build(body.borrow(), &cx)?;
        Ok(built.typed().unwrap())
    }

    /// What the upstream was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request the upstream got.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }

    /// As [`Fake::call`], with what came of the body apart from what it failed with.
    pub(crate) async fn call_by_parts(
        &self,
        service: &ArcService<Llm>,
        mut request: http::Request<Body>,
    ) -> (Result<(u16, String, Option<Error>), Error>, Exchange) {
        let records = Arc::new(Records::default());
        let context = Context::new(RequestId::make(), Some(records.clone()));
        let hold = context.hold();
        request.extensions_mut().insert(context);
        let codec = LlmCodec::new(self.registry.dialects());
        let replied = match codec.serve(request, service.clone()).await {
            Ok(reply) => {
                let (head, mut body) = reply.into_parts();
                let (mut got, mut failed) = (Vec::new(), None);
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) => got.extend_from_slice(&frame.into_data().unwrap_or_default()),
                        Err(e) => failed = Some(e),
                    }
                }
                drop(body);
                Ok((
                    head.status.as_u16(),
                    String::from_utf8(got).unwrap(),
                    failed,
                ))
            }
            Err(e) => Err(e),
        };
        drop(hold);
        let record = records.0.lock().unwrap().take().unwrap();
        (replied, *record)
    }

    /// Carries a call over HTTP and the dialects to `service`. The reply is read to its end.
    pub(crate) async fn call(
        &self,
        service: &ArcService<Llm>,
        mut request: http::Request<Body>,
    ) -> (Result<http::Response<Bytes>, Error>, Exchange) {
        let records = Arc::new(Records::default());
        let context = Context::new(RequestId::make(), Some(records.clone()));
        let hold = context.hold();
        request.extensions_mut().insert(context);
        let codec = LlmCodec::new(self.registry.dialects());
        let replied = match codec.serve(request, service.clone()).await {
            Ok(reply) => {
                let (head, body) = reply.into_parts();
                let body = body.collect(64 << 20).await;
                body.map(|body| http::Response::from_parts(head, body))
            }
            Err(e) => Err(e),
        };
        drop(hold);
        let record = records.0.lock().unwrap().take().unwrap();
        (replied, *record)
    }
}

impl Build for Fake {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn client(&self) -> ArcService<Http> {
        self.client.clone()
    }

    fn resolve(&self, _: &ObjectId, name: &str) -> Result<AnyService, ConfigError> {
        let found = self.backends.get(name).cloned();
        found.map(AnyService::new).ok_or_else(|| {
            ConfigError::new(Pointer::root(), format!("there is no backend `{name}`"))
        })
    }
}

#[derive(Default)]
struct Records(Mutex<Option<Box<Exchange>>>);

impl ExchangeSink for Records {
    fn record(&self, exchange: Box<Exchange>) {
        *self.0.lock().unwrap() = Some(exchange);
    }
}

/// A reply.
pub(crate) fn reply(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> http::Response<Body> {
    let mut reply = http::Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(body.into()).unwrap()
}

/// A request.
pub(crate) fn request(
    line: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> http::Request<Body> {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
