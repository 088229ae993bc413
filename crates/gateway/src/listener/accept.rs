//! The first stretch of the line: accepting, and the end of accepting.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use portcullis_core::body::Body;
use prometheus_client::metrics::counter::Counter;
use tokio::task::{JoinError, JoinSet};
use tower_service::Service;

use super::arrival::{Accepted, arrive};
use super::connection::{House, lingering};
use super::handle::Shared;
use super::presence::{CountersOf, Presence};
use super::sites::Sites;
use super::stream::Stream;
use super::{ConnectionCounters, Drained, Listener, Replies, Shutdown, tls};

/// The first and the longest pause after a failure to accept.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How long whoever has begun to connect has to finish that, once nobody new may: a slow round trip.
pub(crate) const CLOSING: Duration = Duration::from_millis(250);

pub(super) async fn serve<S>(listener: Listener, service: S, shutdown: Shutdown) -> Drained
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    S: Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let shared = listener.shared.clone();
    let first = shared.sites.load().first().name.clone();
    let expiry = listener.counters.of(&first).not_after;
    tokio::select! {
        drained = accept_all(listener, service, shutdown) => drained,
        never = tls::watch(&shared, &expiry) => match never {},
    }
}

async fn accept_all<S>(listener: Listener, service: S, shutdown: Shutdown) -> Drained
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    S: Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let Listener {
        mut socket,
        local,
        shared,
        counters,
        replies,
    } = listener;
    let mut open = Open {
        tasks: JoinSet::new(),
        full: false,
        shared: shared.clone(),
        counters: counters.clone(),
    };
    let visit = |stream: Stream, peer| {
        let sites = shared.sites.load_full();
        let listener = sites.first().name.clone();
        let visit = Visit {
            presence: Arc::new(Presence::begin(&counters, sites.first())),
            sites,
            replies: replies.clone(),
            shutdown: shutdown.clone(),
        };
        let local = settle(&stream).or(local.ip());
        let accepted = Accepted {
            stream,
            peer,
            local,
            listener,
        };
        visit.run(accepted, service.clone())
    };
    loop {
        let failed = open.counters().failed.clone();
        tokio::select! {
            biased;
            () = shutdown.begun() => break,
            Some(ended) = open.tasks.join_next() => open.ended(ended),
            () = shared.changed.notified() => {}
            (stream, peer) = accept(|| socket.accept(), &failed), if !open.is_full() => {
                open.begin(visit(stream, peer));
            }
        }
    }
    if shared.released.load(Ordering::Relaxed) {
        drop(socket);
        return open.drain(&shutdown).await;
    }
    if socket.turn_away() {
        let mut closed = pin!(async {
            tokio::select! {
                () = tokio::time::sleep(CLOSING) => {}
                () = shutdown.expired() => {}
            }
        });
        loop {
            let failed = open.counters().failed.clone();
            tokio::select! {
                biased;
                () = &mut closed => break,
                Some(ended) = open.tasks.join_next() => open.ended(ended),
                (stream, peer) = accept(|| socket.accept(), &failed), if !open.is_full() => {
                    open.begin(visit(stream, peer));
                }
            }
        }
    }
    for (stream, peer) in socket.waiting() {
        if !open.is_full() {
            open.begin(visit(stream, peer));
        }
    }
    open.drain(&shutdown).await
}

/// Sets what a socket needs. Returns the address the client reached.
fn settle(stream: &Stream) -> Option<SocketAddr> {
    let stream = match stream {
        Stream::Tcp(stream) => stream,
        #[cfg(unix)]
        Stream::Unix(_) => return None,
    };
    // Without it small events of a stream would wait for each other. It cannot fail on a socket that is
    // still good, and one that is not says so at the first read.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok()?;
    Some(SocketAddr::new(local.ip().to_canonical(), local.port()))
}

/// One connection, and what it is served with.
struct Visit {
    sites: Arc<Sites>,
    presence: Arc<Presence>,
    replies: Replies,
    shutdown: Shutdown,
}

impl Visit {
    async fn run<S>(self, accepted: Accepted, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
        S: Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let arrived = tokio::select! {
            biased;
            arrived = arrive(&self.sites, accepted) => arrived,
            () = lingering(&self.shutdown) => return,
        };
        match arrived {
            Ok(arrived) => {
                if let Some(site) = self.sites.seated(arrived.seat) {
                    self.presence.settle(site);
                }
                let house = House {
                    sites: &self.sites,
                    presence: &self.presence,
                    replies: self.replies,
                    shutdown: &self.shutdown,
                };
                let server = &self.sites.server;
                server.serve(house, arrived, service).await;
            }
            Err(error) => {
                self.presence.counters().refused.inc();
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::debug!(%error, cause, "connection ended before its first request");
            }
        }
    }
}

/// The connections open now.
struct Open {
    tasks: JoinSet<()>,
    full: bool,
    shared: Arc<Shared>,
    counters: CountersOf,
}

impl Open {
    fn begin(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(connection);
    }

    /// Where that is counted which is of no one listener at this socket.
    fn counters(&self) -> Arc<ConnectionCounters> {
        let sites = self.shared.sites.load();
        sites.first().counters(&self.counters).clone()
    }

    fn name(&self) -> Arc<str> {
        self.shared.sites.load().first().name.clone()
    }

    fn ended(&mut self, how: Result<(), JoinError>) {
        if let Err(error) = how
            && error.is_panic()
        {
            let listener = &*self.name();
            tracing::error!(listener, "a panic ended a connection");
        }
    }

    /// Whether no more may be open; says so once each time it comes to that.
    fn is_full(&mut self) -> bool {
        let max = self.shared.sites.load().limits.max_connections;
        let full = self.tasks.len() >= max;
        if full && !self.full {
            self.counters().full.inc();
            let listener = &*self.name();
            tracing::warn!(listener, max, "no more connections accepted until one ends");
        }
        self.full = full;
        full
    }

    async fn drain(mut self, shutdown: &Shutdown) -> Drained {
        let mut drained = Drained::default();
        let mut expired = pin!(shutdown.expired());
        loop {
            tokio::select! {
                biased;
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => {
                        drained.finished += 1;
                        self.ended(ended);
                    }
                    None => return drained,
                },
                () = &mut expired => break,
            }
        }
        drained.cut = self.tasks.len();
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended);
        }
        self.counters().cut.inc_by(drained.cut as u64);
        let (listener, cut) = (&*self.name(), drained.cut);
        tracing::warn!(
            listener,
            cut,
            "connections cut at the end of the grace period"
        );
        drained
    }
}

/// Accepts, however often that fails: what the client did is passed over, what ails the system is counted,
/// told and waited out.
async fn accept<T, F>(mut accept: impl FnMut() -> F, failed: &Counter) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let (mut pause, longest) = PAUSES;
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                failed.inc();
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accepting_goes_on_after_errors_and_pauses_only_for_the_systems() {
        let mut script = vec![
            Err(io::ErrorKind::ConnectionAborted.into()),
            Err(io::Error::from_raw_os_error(24)),
            Err(io::Error::from_raw_os_error(24)),
            Ok(7),
        ]
        .into_iter();
        let failed = Counter::default();
        let start = Instant::now();
        let next = || std::future::ready(script.next().unwrap());
        assert_eq!(accept(next, &failed).await, 7);
        assert_eq!(failed.get(), 2);
        assert_eq!(start.elapsed(), PAUSES.0 * 3);
    }
}
