//! Upstream client: from the name of a host to its addresses, which are remembered for a while.

mod ask;
#[cfg(feature = "dns")]
mod dns;
mod memory;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use parking_lot::Mutex;
#[cfg(not(feature = "dns"))]
use portcullis_core::config::Pointer;
use portcullis_core::config::{ConfigError, TransportDns};
use tokio::time::{Instant, timeout};

use self::{
    ask::{Failure, Source},
    memory::{Asking, Look, Memory},
};
use super::{BoxError, ClientError, ErrorKind};

/// With an answer at hand that is past its time, a new one is waited for no longer (RFC 8767 §5).
const PATIENCE: Duration = Duration::from_millis(1800);

/// Looks names up. Everybody who asks for a name meanwhile shares one lookup, which goes on when they
/// leave; its answer serves until its time is over, and while no newer one can be had, for some time after.
#[derive(Clone)]
pub(super) struct Resolver(Arc<Inner>);

struct Inner {
    source: Source,
    memory: Mutex<Memory>,
}

/// How long answers serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    min: Duration,
    max: Duration,
    stale: Duration,
}

impl Resolver {
    /// The lookup of the operating system, which tells no times.
    pub(super) fn system() -> Self {
        let span = Span {
            min: Duration::from_secs(10),
            max: Duration::from_secs(10),
            stale: Duration::from_secs(300),
        };
        Self::new(Source::System, span)
    }

    /// Servers of our own choice. Places in the error are relative to `wanted`.
    #[cfg(feature = "dns")]
    pub(super) fn dns(wanted: &TransportDns) -> Result<Self, ConfigError> {
        let source = Source::Dns(Box::new(dns::Servers::wanted(wanted)?));
        let span = Span {
            min: wanted.min_ttl.get(),
            max: wanted.max_ttl.get(),
            stale: wanted.serve_stale.get(),
        };
        Ok(Self::new(source, span))
    }

    /// Refuses, since there is nobody here who could ask.
    #[cfg(not(feature = "dns"))]
    pub(super) fn dns(_: &TransportDns) -> Result<Self, ConfigError> {
        let what = "this program was built without DNS of its own";
        Err(ConfigError::new(Pointer::root(), what)
            .on_key()
            .hint("build it with the feature `dns`"))
    }

    fn new(source: Source, span: Span) -> Self {
        let memory = Mutex::new(Memory::new(span));
        Self(Arc::new(Inner { source, memory }))
    }

    /// Every address of `host`, which may be an address itself. Never empty.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ClientError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let unknown =
            |failure: Failure| ClientError::unsent(ErrorKind::Dns, BoxError::from(failure));
        let found = self.look_up(host).await.map_err(unknown)?;
        let with_port = |address: &IpAddr| SocketAddr::new(*address, port);
        Ok(found.iter().map(with_port).collect())
    }

    async fn look_up(&self, host: &str) -> Result<Arc<[IpAddr]>, Failure> {
        // The lock is not held while this waits.
        let look = {
            let mut memory = self.0.memory.lock();
            memory.look(host, Instant::now(), || self.ask(host))
        };
        match look {
            Look::Known(addresses) => Ok(addresses),
            Look::Failed(failure) => Err(failure),
            Look::Asked(asking, None) => asking.await,
            Look::Asked(asking, Some(stale)) => match timeout(PATIENCE, asking).await {
                Ok(Ok(addresses)) => Ok(addresses),
                Ok(Err(failure)) if failure.is_final => Err(failure),
                Ok(Err(_)) | Err(_) => Ok(stale),
            },
        }
    }

    /// Begins a lookup, in a task of its own so that it ends even if nobody waits for it any more.
    fn ask(&self, host: &str) -> Asking {
        let (inner, host) = (Arc::clone(&self.0), Box::<str>::from(host));
        let task = tokio::spawn(async move {
            let answer = inner.source.ask(&host).await;
            inner.memory.lock().note(&host, answer, Instant::now())
        });
        let ended = |end: Result<_, _>| end.unwrap_or_else(|_| Err(Failure::cut_off()));
        task.map(ended).boxed().shared()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}
