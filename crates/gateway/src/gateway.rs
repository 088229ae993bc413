//! A gateway put together: its builder, its handle, and what runs.

mod builder;
mod listening;
mod reload;
mod running;

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use parking_lot::Mutex;
use portcullis_core::assemble::Registry;
use portcullis_core::config::{AccessLog, Config, ConfigSource, Kind, Listener, ObjectId};
use portcullis_core::llm::LlmCodec;
use portcullis_core::respond::{Respond, RespondLayer, ResponseFuture};
use portcullis_core::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::entry::{Contain, ContainFuture, ContainLayer, Entry, EntryFuture, EntryLayer};
use crate::listener::OwnReply;
use crate::router::Router;
use crate::snapshot::{RefuseBy, Snapshot};
use crate::status::Status;
use crate::telemetry::Recorder;
use crate::upstream::Client;

pub use builder::{BuildError, GatewayBuilder};
pub use reload::ReloadError;
pub use running::{RunError, Running, Stop};

use listening::Listening;

/// A gateway: configured, built, and ready to run. Two of them in one process share nothing.
///
/// # Examples
///
/// ```
/// use portcullis::{Gateway, source::ValueSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), portcullis::BuildError> {
/// let gateway = Gateway::builder()
///     .source(ValueSource::text(
///         r#"
///         schemaVersion: 1
///         listeners: [{name: web, address: "127.0.0.1:0"}]
///         routes: [{backend: {echo: {}}}]
///         "#,
///     ))
///     .build()
///     .await?;
/// assert!(gateway.status().last.report.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

struct Parts {
    registry: Registry,
    source: Box<dyn ConfigSource>,
    refuse_by: RefuseBy,
    snapshot: Arc<ArcSwap<Snapshot>>,
    status: Arc<ArcSwap<Status>>,
    recorder: Arc<Recorder>,
    client: Client,
    /// Where the configuration says nothing of an access log.
    default_log: Option<AccessLog>,
    /// The access log there is.
    log: Mutex<Option<AccessLog>>,
    /// Sockets handed over at the start.
    sockets: Vec<TcpListener>,
    follows: bool,
    /// Taken by whoever changes what serves.
    turn: tokio::sync::Mutex<()>,
    listening: Mutex<Weak<Listening>>,
}

impl Gateway {
    /// Begins to put a gateway together.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::new()
    }

    /// What it serves, and what became of the configuration it loaded last: every object with its errors and
    /// warnings.
    pub fn status(&self) -> Arc<Status> {
        self.0.status.load_full()
    }

    /// Where it listens now, port 0 resolved; nowhere unless it [runs](Self::run).
    pub fn addresses(&self) -> Vec<(ObjectId, SocketAddr)> {
        let listening = self.0.listening.lock().upgrade();
        listening.map_or_else(Vec::new, |listening| listening.addresses())
    }

    /// The listeners the configuration asks for.
    pub fn listeners(&self) -> Vec<(ObjectId, Listener)> {
        let snapshot = self.0.snapshot.load();
        snapshot
            .listeners()
            .map(|(id, listener)| (id.clone(), listener.clone()))
            .collect()
    }

    /// The service behind one listener, for a program that accepts connections itself: recording, routing,
    /// policies, backends, and errors in the caller's dialect. It never fails. Cloning counts references.
    ///
    /// A request may carry a [`ConnectionInfo`](crate::listener::ConnectionInfo) to say who calls.
    pub fn service(&self, listener: &ObjectId) -> GatewayService {
        let snapshot = self.0.snapshot.clone();
        self.around(Router::new(snapshot, listener.clone()))
    }

    /// The service behind all listeners of a project at one socket, on a snapshot that is swapped apart from the
    /// gateway's: each request's connection says which of them is meant.
    fn service_of(&self, on: Arc<ArcSwap<Snapshot>>, project: &Arc<str>) -> GatewayService {
        self.around(Router::by_connection(on, project.clone()))
    }

    /// How errors are written that are found before a call is routed.
    fn codec(&self) -> LlmCodec {
        LlmCodec::new(self.0.registry.dialects().to_vec())
    }

    /// Records what a listener answers itself, and writes its errors as those found further in.
    fn replies(&self) -> impl Fn(Request, OwnReply) -> Response + Send + Sync + 'static {
        let render = RespondLayer::new(self.codec());
        let entry = EntryLayer::new(Some(self.0.recorder.clone()));
        move |request, own| {
            let mut own = Some(own);
            let answer =
                tower::service_fn(move |_: Request| ready(own.take().expect("it is called once")));
            let mut service = entry.layer(render.layer(answer));
            let reply = service.call(request).now_or_never();
            let Ok(reply) = reply.expect("what is there is not waited for");
            reply
        }
    }

    fn around(&self, router: Router) -> GatewayService {
        let (parts, codec) = (&self.0, self.codec());
        // Panics become errors, errors become replies in the caller's dialect, and all of it is recorded.
        let contained = ContainLayer.layer(router);
        let rendered = RespondLayer::new(codec).layer(contained);
        let recorded = EntryLayer::new(Some(parts.recorder.clone())).layer(rendered);
        GatewayService(recorded)
    }

    /// The service of a configuration without listeners: what an embedding program calls. Of several
    /// projects without listeners it is that of the first by name; [`service`](Self::service) has the others.
    /// Where every project has listeners, it finds no route.
    pub fn embedded(&self) -> GatewayService {
        let listeners = self.listeners();
        let embedded = listeners
            .into_iter()
            .find(|(id, listener)| builder::is_embedded(id, listener));
        let nowhere = || ObjectId::new(Config::DEFAULT_PROJECT, Kind::Listener, "");
        self.service(&embedded.map_or_else(nowhere, |(id, _)| id))
    }

    /// Where its calls are recorded: metrics, and a way to wait until all that ended have been handled.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.0.recorder
    }

    /// Connections to upstreams, open and idle.
    pub fn upstreams(&self) -> crate::upstream::Stats {
        self.0.client.stats()
    }

    /// Binds every listener of the configuration and serves until told to stop. Meanwhile it
    /// [follows](Self::follow) its source, unless the builder said otherwise.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound; then none stays bound. When it serves already.
    pub async fn run(&self) -> Result<Running, RunError> {
        Running::start(self).await
    }
}

/// A gateway behind one listener. Made by [`Gateway::service`].
#[derive(Clone, Debug)]
pub struct GatewayService(Entry<Respond<Contain<Router>, LlmCodec>>);

impl Service<Request> for GatewayService {
    type Response = Response;
    type Error = Infallible;
    type Future = GatewayFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        GatewayFuture {
            reply: self.0.call(request),
        }
    }
}

type Routed = <Router as Service<Request>>::Future;

pin_project_lite::pin_project! {
    /// The reply of a gateway to one request. Dropping it ends the call.
    pub struct GatewayFuture {
        #[pin]
        reply: EntryFuture<ResponseFuture<ContainFuture<Routed>>>,
    }
}

impl Future for GatewayFuture {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().reply.poll(cx)
    }
}

impl fmt::Debug for GatewayFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayFuture")
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("snapshot", &self.0.snapshot.load())
            .finish_non_exhaustive()
    }
}
