//! The first stretch of the line: one connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use portcullis_core::body::Body;
use portcullis_core::config::{ByteSize, ListenerLimits};
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;
use tower_service::Service;

use super::Replies;
use super::activity::{Activity, Patience, Verdict, Watch};
use super::arrival::Arrived;
use super::front::Front;
use super::io::{Version, Watched, sniff};
use super::presence::Presence;
use super::shutdown::Shutdown;
use super::sites::Sites;
use super::stream::{Stream, Transport};
use super::tunnels::Running;
use crate::rewound::Rewound;

/// The header fields the HTTP/1 parser keeps on its stack; any other number is allocated for each request.
const ON_STACK: usize = 100;

/// How long a connection without a call is kept once the shutdown has begun: whoever keeps it may be about to
/// send, and would find it closed. The reply then says that it was the last.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct Server {
    h1: http1::Builder,
    h2: http2::Builder<TokioExecutor>,
    patience: Patience,
}

impl Server {
    pub(super) fn new(limits: &ListenerLimits) -> Self {
        let max_head = limits.max_header_bytes.as_usize();
        let mut h1 = http1::Builder::new();
        h1.header_read_timeout(None).max_header_size(max_head);
        if limits.max_headers != ON_STACK {
            h1.max_headers(limits.max_headers);
        }
        Self {
            h1,
            h2: http2(limits),
            patience: Patience {
                head: limits.header_read_timeout.get(),
                idle: limits.idle_timeout.get(),
                half_closed: limits.half_closed_timeout.get(),
            },
        }
    }

    /// Serves one connection until it ends, patience with it ends, or the calls under way when `shutdown`
    /// begins have ended.
    pub(super) async fn serve<S>(&self, house: House<'_>, arrived: Arrived, service: S)
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
        S: Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let House {
            sites,
            presence,
            replies,
            shutdown,
        } = house;
        let activity = Activity::begin();
        let first = match (&arrived.transport, arrived.version) {
            (Transport::Plain(stream), None) => self.first(stream, arrived.before, shutdown).await,
            (_, version) => Some((version.unwrap_or(Version::H1), arrived.before)),
        };
        let Some((version, before)) = first else {
            return;
        };
        let half_closed = self.patience.half_closed;
        let watched = TokioIo::new(Watched {
            socket: Rewound::new(before, arrived.transport),
            activity: activity.clone(),
            half_closes: version == Version::H1 && !half_closed.is_zero(),
            ended: false,
        });
        let front = Front {
            service,
            sites: sites.clone(),
            seat: arrived.seat,
            info: arrived.info,
            replies,
            presence: sites
                .seated(arrived.seat)
                .is_none()
                .then(|| presence.clone()),
            activity: activity.clone(),
        };
        let drive = Drive {
            activity: &activity,
            patience: self.patience,
            presence,
            shutdown,
        };
        match version {
            Version::H1 => {
                let connection = self.h1.serve_connection(watched, front).with_upgrades();
                drive.run(connection, true, |c| c.graceful_shutdown()).await;
            }
            Version::H2 => {
                activity.idle();
                let connection = self.h2.serve_connection(watched, front);
                drive
                    .run(connection, false, |c| c.graceful_shutdown())
                    .await;
            }
        }
    }

    /// Waits for the first bytes, as long as for a head.
    async fn first(
        &self,
        stream: &Stream,
        before: bytes::Bytes,
        shutdown: &Shutdown,
    ) -> Option<(Version, bytes::Bytes)> {
        tokio::select! {
            biased;
            first = sniff(stream, before) => first.unwrap_or_else(|error| {
                tracing::debug!(%error, "connection broke before its first request");
                None
            }),
            () = lingering(shutdown) => None,
            () = tokio::time::sleep(self.patience.head) => None,
        }
    }
}

/// The settings of HTTP/2 connections.
fn http2(limits: &ListenerLimits) -> http2::Builder<TokioExecutor> {
    let wanted = &limits.http2;
    let small = |size: ByteSize| u32::try_from(size.get()).unwrap_or(u32::MAX);
    let ping = wanted.ping_interval.get();
    let mut h2 = http2::Builder::new(TokioExecutor::new());
    h2.timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(small(limits.max_header_bytes))
        .max_pending_accept_reset_streams(wanted.max_pending_resets)
        .max_local_error_reset_streams(wanted.max_error_resets)
        .keep_alive_interval((!ping.is_zero()).then_some(ping))
        .keep_alive_timeout(wanted.ping_timeout.get())
        .initial_stream_window_size(small(wanted.stream_window))
        .initial_connection_window_size(small(wanted.connection_window))
        .max_frame_size(small(wanted.max_frame_size))
        .enable_connect_protocol();
    h2
}

/// What a connection has of the listener it came to.
pub(super) struct House<'a> {
    pub(super) sites: &'a Arc<Sites>,
    pub(super) presence: &'a Arc<Presence>,
    pub(super) replies: Replies,
    pub(super) shutdown: &'a Shutdown,
}

struct Drive<'a> {
    activity: &'a Arc<Activity>,
    patience: Patience,
    presence: &'a Presence,
    shutdown: &'a Shutdown,
}

impl Drive<'_> {
    /// Whether an HTTP/1 connection may end: its client was told with a reply, or has not sent anything for
    /// a while. To close it earlier would lose the request that is on its way.
    fn lingered(&self, linger: &mut Linger, cx: &mut Context<'_>) -> bool {
        self.activity.close();
        if !self.activity.rests() {
            *linger = None;
            return false;
        }
        let linger = linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        pin!(unconstrained(linger.as_mut())).poll(cx).is_ready()
    }

    /// A client that leaves is no event of ours. One that does not speak HTTP is counted.
    fn note(&self, end: hyper::Result<()>) {
        let Err(error) = end else { return };
        let source = std::error::Error::source(&error);
        let of_h2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
        if error.is_parse() || of_h2.is_some_and(h2::Error::is_library) {
            self.presence.counters().malformed.inc();
        }
        tracing::debug!(%error, "connection ended early");
    }

    /// Polls `connection` to its end, and then what it was upgraded to. `finish` asks it to end after the calls
    /// under way.
    async fn run<C>(self, connection: C, heads: bool, finish: impl Fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let mut begun = pin!(unconstrained(self.shutdown.begun()));
        let mut timer = pin!(tokio::time::sleep(self.patience.head));
        let mut asked = false;
        let (mut ended, mut tunnels) = (false, Running::default());
        let mut linger = None;
        let mut watch = Watch {
            activity: self.activity,
            patience: self.patience,
            heads,
            finishing: false,
            armed: false,
        };
        std::future::poll_fn(|cx| {
            if !asked {
                self.activity.tunnels.register(cx);
            }
            loop {
                if !ended && let Poll::Ready(end) = connection.as_mut().poll(cx) {
                    self.note(end);
                    ended = true;
                }
                if tunnels.is_any(&self.activity.tunnels) {
                    let rest = tunnels.poll(&self.activity.tunnels, cx);
                    if ended {
                        return rest;
                    }
                } else if ended {
                    return Poll::Ready(());
                }
                // Waiting takes a lock all connections share. A task is woken by one waker for life, so
                // asking once is enough, and from then on the flag tells.
                if !asked {
                    asked = true;
                    let _ = begun.as_mut().poll(cx);
                }
                let stopping =
                    self.shutdown.has_begun() && (!heads || self.lingered(&mut linger, cx));
                if !watch.finishing && (stopping || self.activity.is_spent()) {
                    watch.finishing = true;
                    self.activity.idle();
                    finish(connection.as_mut());
                    continue;
                }
                match watch.judge(timer.as_mut(), cx) {
                    Verdict::Wait => return Poll::Pending,
                    Verdict::Finish => finish(connection.as_mut()),
                    Verdict::Cut => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}

/// Ready when the shutdown began so long ago that whoever has not sent anything will not.
pub(super) async fn lingering(shutdown: &Shutdown) {
    shutdown.begun().await;
    tokio::time::sleep(LINGER).await;
}

/// A timer, once there is need of it.
type Linger = Option<Pin<Box<Sleep>>>;
