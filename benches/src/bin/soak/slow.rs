//! Clients whose heads never end, many more than there are good ones.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::traffic::{self, Counts};
use crate::{Gateway, after};

/// The gateway may take so much for each connection held, in KiB.
const KIB_EACH: f64 = 32.0;
/// A good call may take so long beside them.
const SLOWEST: Duration = Duration::from_secs(5);
/// The slow ones are held for at most this time (`headerReadTimeout`), and then for a moment.
const SECONDS: u64 = 20;

/// Opens `connections` that send a byte of a head now and then, and `good` clients beside them.
///
/// # Errors
///
/// When a good call fails or takes too long, when memory passes its bound, or when a slow connection is
/// still open at the end.
pub(crate) async fn run(connections: usize, good: usize) -> Result<()> {
    let gateway = Gateway::start(&format!("maxConnections: {}", connections + 1_000)).await?;
    let idle = gateway.server.memory()?;
    gateway.server.forget_peak()?;
    let (counts, end) = (Arc::new(Counts::default()), after(SECONDS));
    let mut clients = JoinSet::new();
    for n in 0..good {
        clients.spawn(traffic::run(gateway.address(), n, end, counts.clone()));
    }
    let held = Arc::new(Held::default());
    for n in 0..connections {
        clients.spawn(slow(gateway.address(), end, held.clone()));
        if n % 50 == 0 {
            // Not all at once: the listener's backlog is not what is tried here.
            sleep(Duration::from_millis(5)).await;
        }
    }
    while let Some(client) = clients.join_next().await {
        client?;
    }
    let peak = gateway.server.peak()?;
    let each = peak.saturating_sub(idle) as f64 / connections as f64;
    let (calls, slowest) = counts.good();
    let (most, left) = (
        held.most.load(Ordering::Relaxed),
        held.left.load(Ordering::Relaxed),
    );
    writeln!(
        stdout(),
        "| {connections} slow connections | |\n|---|--:|\n| held at once at most | {most} |\n\
         | still open at the end | {left} |\n| memory idle, MiB | {:.1} |\n| most memory, MiB | {:.1} |\n\
         | for each slow connection, KiB | {each:.1} |\n| good calls meanwhile | {calls} |\n\
         | the slowest of them | {:.0} ms |",
        idle as f64 / 1024.0,
        peak as f64 / 1024.0,
        slowest.as_secs_f64() * 1e3
    )?;
    counts.verdict()?;
    ensure!(slowest < SLOWEST, "a good call took {slowest:?}");
    ensure!(each < KIB_EACH, "{each:.1} KiB for each slow connection");
    ensure!(left == 0, "{left} slow connections were never cut");
    Ok(())
}

/// How many slow connections are open, were at most, and were left at the end.
#[derive(Debug, Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
    left: AtomicUsize,
}

async fn slow(address: SocketAddr, end: Instant, held: Arc<Held>) {
    let Ok(mut socket) = TcpStream::connect(address).await else {
        return;
    };
    let now = held.now.fetch_add(1, Ordering::Relaxed) + 1;
    held.most.fetch_max(now, Ordering::Relaxed);
    let (mut reader, mut writer) = socket.split();
    let trickle = async {
        let mut sent = writer.write_all(b"GET / HTTP/1.1\r\nx-a: ").await;
        while sent.is_ok() {
            sleep(Duration::from_secs(2)).await;
            sent = writer.write_all(b"a").await;
        }
    };
    let mut heard = Vec::new();
    let cut = async { reader.read_to_end(&mut heard).await.map(drop).ok() };
    tokio::select! {
        () = trickle => {}
        _ = cut => {}
        () = tokio::time::sleep_until(end) => {
            held.left.fetch_add(1, Ordering::Relaxed);
        }
    }
    held.now.fetch_sub(1, Ordering::Relaxed);
}
