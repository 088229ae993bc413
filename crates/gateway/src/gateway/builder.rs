//! Putting a gateway together.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use portcullis_core::assemble::Registry;
use portcullis_core::config::{
    self, Config, ConfigError, ConfigSource, Listener, Loaded, ObjectId, Report,
};
use portcullis_core::context::{ExchangeSink, Prices};

use super::{Gateway, Parts};
use crate::client;
use crate::snapshot::{Builder, RefuseBy, Snapshot};
use crate::source::{self, ValueSource};
use crate::status::{Attempt, Status};
use crate::telemetry::{AccessLog, Metrics, Recorder, RecorderConfig};
use crate::upstream::{Client, ClientConfig};

/// The listener a gateway has that is only ever used as a service.
const EMBEDDED: &str = "embedded";
/// Its address, which nobody could mean: any port of every network.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Puts a [`Gateway`] together: what it knows by name, where its configuration comes from, where its
/// records go.
pub struct GatewayBuilder {
    registry: Registry,
    source: Box<dyn ConfigSource>,
    refuse_by: RefuseBy,
    sinks: Vec<Arc<dyn ExchangeSink>>,
    client: ClientConfig,
    access_log: Option<config::AccessLog>,
    metrics: Metrics,
    sockets: Vec<TcpListener>,
    follows: bool,
}

/// Why a gateway could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The source gave nothing.
    #[error("the configuration cannot be read")]
    Load(#[source] ConfigError),
    /// What it gave was refused. The text shows every fault in its place.
    #[error("the configuration was refused:\n{text}")]
    Refused {
        /// What became of every object.
        report: Report,
        /// Every fault, with the line it stands in where the source kept it.
        text: String,
    },
    /// The access log or its thread could not be opened.
    #[error("records cannot be kept")]
    Records(#[source] std::io::Error),
}

impl GatewayBuilder {
    pub(super) fn new() -> Self {
        Self {
            registry: crate::registry(),
            source: Box::new(ValueSource::new(Config::new(Config::DEFAULT_PROJECT))),
            refuse_by: RefuseBy::All,
            sinks: Vec::new(),
            client: ClientConfig::default(),
            access_log: None,
            metrics: Metrics::default(),
            sockets: Vec::new(),
            follows: true,
        }
    }

    /// The names a configuration may use. Default: [`registry()`](crate::registry()).
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Where the configuration comes from: a [`FileSource`](crate::source::FileSource), a
    /// [`ValueSource`], or your own.
    #[must_use]
    pub fn source(mut self, source: impl ConfigSource) -> Self {
        self.source = Box::new(source);
        self
    }

    /// What one error in the configuration takes down with it. Default: everything.
    #[must_use]
    pub fn refuse_by(mut self, refuse_by: RefuseBy) -> Self {
        self.refuse_by = refuse_by;
        self
    }

    /// A further place for the record of every call. It may be called several times.
    #[must_use]
    pub fn sink(mut self, sink: impl ExchangeSink) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// The access log where the configuration says nothing of one. Default: none.
    #[must_use]
    pub fn access_log(mut self, log: config::AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Where calls are counted, for a program with a registry of its own. Default: a new one.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// How upstreams are reached: timeouts, pool, certificate authorities.
    #[must_use]
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.client = client;
        self
    }

    /// Sockets that are bound already, as a supervisor hands them over so that none of those who connect
    /// during a restart is lost. A listener whose address is one's takes it instead of binding.
    #[must_use]
    pub fn sockets(mut self, sockets: Vec<TcpListener>) -> Self {
        self.sockets = sockets;
        self
    }

    /// Whether a gateway that runs loads its configuration anew when the source says that it changed.
    /// Default: yes. [`Gateway::reload`] works either way.
    #[must_use]
    pub fn follow(mut self, follow: bool) -> Self {
        self.follows = follow;
        self
    }

    /// Loads the configuration and builds it. Nothing is bound or connected yet.
    ///
    /// A project without listeners gets one that is never bound, `embedded`: see
    /// [`Gateway::embedded`].
    ///
    /// # Errors
    ///
    /// When the configuration cannot be read, or is refused.
    pub async fn build(self) -> Result<Gateway, BuildError> {
        let loaded = embed(self.source.load().await.map_err(BuildError::Load)?);
        let client = Client::new(self.client);
        let built = Builder::new(&self.registry, client::service(client.clone()))
            .transports(client.transports().clone())
            .refuse_by(self.refuse_by)
            .build(&loaded, &Snapshot::default());
        let (snapshot, report) = match built {
            Ok(built) => built,
            Err(refusal) => {
                self.source.report(&refusal.report);
                let text = source::render_report(&refusal.report, &loaded);
                return Err(BuildError::Refused {
                    report: refusal.report,
                    text,
                });
            }
        };
        self.source.report(&report);
        let log = snapshot.settings().access_log().map(|(_, log)| log.clone());
        let log = log.or_else(|| self.access_log.clone());
        let prices = snapshot.settings().prices();
        let recorder = record(self.metrics, self.sinks, prices, log.as_ref());
        let recorder = recorder.map_err(BuildError::Records)?;
        let whole = report.is_ok();
        let status = Status::serving(&snapshot, None, Attempt::new(&loaded, report, false));
        let metrics = recorder.metrics().config();
        metrics.loaded(whole);
        metrics.serves(status.generation, &status.hash);
        Ok(Gateway(Arc::new(Parts {
            registry: self.registry,
            source: self.source,
            refuse_by: self.refuse_by,
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
            status: Arc::new(ArcSwap::from_pointee(status)),
            recorder,
            client,
            default_log: self.access_log,
            log: log.into(),
            sockets: self.sockets,
            follows: self.follows,
            turn: tokio::sync::Mutex::default(),
            listening: Weak::new().into(),
        })))
    }
}

fn record(
    metrics: Metrics,
    sinks: Vec<Arc<dyn ExchangeSink>>,
    prices: Arc<dyn Prices>,
    log: Option<&config::AccessLog>,
) -> std::io::Result<Arc<Recorder>> {
    let access_log = match log {
        Some(log) => AccessLog::open(log)?,
        None => None,
    };
    Recorder::start(RecorderConfig {
        metrics,
        access_log,
        prices: Some(prices),
        sinks,
        ..RecorderConfig::default()
    })
}

/// Gives projects without listeners one that is only a service.
pub(super) fn embed(mut loaded: Loaded) -> Loaded {
    for project in &mut loaded.projects {
        if project.config.listeners.is_empty() {
            let listener = Listener::new(EMBEDDED, NOWHERE);
            project.config.listeners.push(listener);
        }
    }
    loaded
}

/// Whether a listener is only a service. One of that name which somebody configured is not.
pub(super) fn is_embedded(id: &ObjectId, listener: &Listener) -> bool {
    *id.name == *EMBEDDED && listener.address.ip() == Some(NOWHERE)
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}
