//! What the policies' tests share: building a policy from its configuration, and services to put it over.

pub(crate) mod llm;

use std::sync::{Arc, mpsc};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis_core::assemble::{AnyService, Build, Chain, Level, Registry, Scope};
use portcullis_core::body::Body;
use portcullis_core::config::{ConfigError, Kind, ObjectId, Pointer, PolicyEntry};
use portcullis_core::context::{Context, Exchange, ExchangeSink, Prices, RequestId};
use portcullis_core::error::Error;
use portcullis_core::protocol::{ArcLayer, ArcService, Http, Protocol};
use portcullis_core::{Request, Response};
use serde_json::Value;

/// Builds the policy of this name as a snapshot would. Its body stands at `/p`.
pub(crate) fn configured(name: &str, body: Value) -> Result<ArcLayer<Http>, ConfigError> {
    configured_on(Level::Route, name, body)
}

pub(crate) fn configured_on(
    level: Level,
    name: &str,
    body: Value,
) -> Result<ArcLayer<Http>, ConfigError> {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    let owner = ObjectId::new("default", Kind::Route, "tested");
    let mut entry = PolicyEntry::new(name, body);
    entry.at = Pointer::root().key("p");
    let scope = Scope {
        level,
        owner: &owner,
        policies: &[entry],
    };
    let chain = Chain::<Http>::build(&Names::of(registry, None), &[scope])?;
    Ok(chain
        .http
        .into_iter()
        .next()
        .expect("one policy makes one layer"))
}

/// Builds a list of policies on a route. Their bodies stand at `/p0`, `/p1`, …
pub(crate) fn built<P: Protocol>(mut policies: Vec<PolicyEntry>) -> Result<Chain<P>, ConfigError> {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    let owner = ObjectId::new("default", Kind::Route, "tested");
    for (index, entry) in policies.iter_mut().enumerate() {
        entry.at = Pointer::root().key(&format!("p{index}"));
    }
    let scope = Scope {
        level: Level::Route,
        owner: &owner,
        policies: &policies,
    };
    Chain::build(&Names::of(registry, None), &[scope])
}

/// What is wrong with this body of a policy, as a log would have it.
pub(crate) fn refused(name: &str, body: Value) -> String {
    configured(name, body).unwrap_err().to_string()
}

/// A builder that knows these names, and nobody to call.
pub(crate) struct Names(Registry, Option<Arc<dyn Prices>>);

impl Names {
    pub(crate) fn of(registry: Registry, prices: Option<Arc<dyn Prices>>) -> Self {
        Self(registry, prices)
    }
}

impl Build for Names {
    fn registry(&self) -> &Registry {
        &self.0
    }

    fn client(&self) -> ArcService<Http> {
        ArcService::from_fn(async |_| unreachable!("these policies call nobody"))
    }

    fn prices(&self) -> Option<Arc<dyn Prices>> {
        self.1.clone()
    }

    fn resolve(&self, _: &ObjectId, name: &str) -> Result<AnyService, ConfigError> {
        unreachable!("these policies name no backend, not {name}")
    }
}

/// A service that reads the whole request and answers with its body.
pub(crate) fn echo() -> ArcService<Http> {
    ArcService::from_fn(async |request: Request| {
        let bytes = request.into_body().collect(u64::MAX).await?;
        Ok::<Response, Error>(Response::new(bytes.into()))
    })
}

/// A body of these frames, whose length nobody knows beforehand.
pub(crate) fn frames<I>(frames: I) -> Body
where
    I: IntoIterator<Item = Frame<Bytes>, IntoIter: Send + 'static>,
{
    let frames = frames.into_iter().map(Ok::<_, Error>);
    Body::new(StreamBody::new(stream::iter(frames)))
}

pub(crate) fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// A context, and where its record goes once no hold of it is left.
pub(crate) fn recorded() -> (Context, mpsc::Receiver<Box<Exchange>>) {
    let (send, receive) = mpsc::sync_channel(1);
    struct Sink(mpsc::SyncSender<Box<Exchange>>);
    impl ExchangeSink for Sink {
        fn record(&self, exchange: Box<Exchange>) {
            self.0.send(exchange).unwrap();
        }
    }
    let context = Context::new(RequestId::make(), Some(Arc::new(Sink(send))));
    (context, receive)
}

/// What the policies decided about this call, whose record ends here.
pub(crate) fn decisions(
    context: &Context,
    records: &mpsc::Receiver<Box<Exchange>>,
) -> Vec<(&'static str, portcullis_core::context::Decision)> {
    drop(context.hold());
    let exchange = records.recv().unwrap();
    let policies = exchange.policies.iter();
    policies.map(|p| (p.policy, p.decision)).collect()
}
