//! The first stretch of the line: what goes on over a client's connection after it stopped speaking HTTP.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use portcullis_core::BoxFuture;

use super::activity::Activity;

type Tunnel = BoxFuture<'static, ()>;

/// Where an upgraded call goes on. Found in the extensions of a request that may be upgraded.
///
/// What runs here belongs to the client's connection: the connection counts as busy for as long, and at the
/// deadline of a shutdown both are cut. Cloning shares it.
#[derive(Clone)]
pub struct Tunnels(pub(super) Arc<Activity>);

impl Tunnels {
    /// Runs `tunnel` beside the connection, on its task, until either ends.
    pub fn run(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let busy = self.0.call();
        self.0.tunnel();
        let tunnel = Box::pin(async move {
            tunnel.await;
            drop(busy);
        });
        self.0.tunnels.add(tunnel);
    }
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnels")
    }
}

/// The tunnels of a connection which its task has not taken over yet.
#[derive(Default)]
pub(super) struct Begun {
    any: AtomicBool,
    tunnels: Mutex<Vec<Tunnel>>,
    task: AtomicWaker,
}

impl Begun {
    /// With HTTP/2 calls have tasks of their own, so the connection's must be told.
    fn add(&self, tunnel: Tunnel) {
        self.tunnels.lock().push(tunnel);
        self.any.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Names the task that takes the tunnels over.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("any", &self.any).finish()
    }
}

/// The tunnels a connection's task runs. Nothing is allocated before there is one.
#[derive(Default)]
pub(super) struct Running(Option<FuturesUnordered<Tunnel>>);

impl Running {
    /// Takes over what has begun and lets all of them work. Ready when there are none.
    pub(super) fn poll(&mut self, begun: &Begun, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if begun.any.swap(false, Ordering::Acquire) {
                let tunnels = std::mem::take(&mut *begun.tunnels.lock());
                self.0.get_or_insert_default().extend(tunnels);
            }
            let Some(running) = &mut self.0 else {
                return Poll::Ready(());
            };
            match pin!(running).as_mut().poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if begun.any.load(Ordering::Acquire) => {}
                Poll::Ready(None) => {
                    self.0 = None;
                    return Poll::Ready(());
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether there is anything to poll; one atomic load where nothing was ever upgraded.
    pub(super) fn is_any(&self, begun: &Begun) -> bool {
        self.0.is_some() || begun.any.load(Ordering::Acquire)
    }
}
