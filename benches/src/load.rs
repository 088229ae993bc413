//! The client: so many connections, each asking anew when it has its answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use crate::reply::ReplyReader;
use crate::scenario::Scenario;

/// The key every request is sent with.
pub const KEY: &str = "sk-client-1";
/// No reply takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to ask, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom.
    pub address: SocketAddr,
    /// What.
    pub scenario: Scenario,
    /// On so many connections at once.
    pub connections: u32,
    /// The connections open over this time, not all at once.
    pub ramp: Duration,
    /// So long; calls under way are finished.
    pub time: Duration,
    /// So many calls at most.
    pub calls: u64,
    /// Over TLS, if this is given.
    pub tls: Option<Arc<ClientConfig>>,
    /// Asks nothing: a call is a connection, its handshake, and its end.
    pub handshakes: bool,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Calls answered as expected; any other answer is an error.
    pub calls: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// The time from the first call to the last byte.
    pub seconds: f64,
}

impl Plan {
    /// Carries it out, on the runtime it is called in.
    ///
    /// # Errors
    ///
    /// At the first reply that is late, is not status 200, or has a body of another length than the
    /// scenario's.
    pub async fn run(self) -> Result<Tally> {
        let start = Instant::now();
        let left = Rc::new(Cell::new(self.calls));
        let tally = Rc::new(Cell::new(Tally::default()));
        let tasks = LocalSet::new();
        let clients: Vec<_> = (0..self.connections)
            .map(|n| {
                let client = Client {
                    plan: self.clone(),
                    start,
                    left: left.clone(),
                    tally: tally.clone(),
                };
                tasks.spawn_local(client.run(n))
            })
            .collect();
        tasks
            .run_until(async {
                for client in clients {
                    client.await??;
                }
                anyhow::Ok(())
            })
            .await?;
        Ok(Tally {
            seconds: start.elapsed().as_secs_f64(),
            ..tally.get()
        })
    }
}

/// One of the connections.
struct Client {
    plan: Plan,
    start: Instant,
    left: Rc<Cell<u64>>,
    tally: Rc<Cell<Tally>>,
}

impl Client {
    async fn run(self, n: u32) -> Result<()> {
        tokio::time::sleep(self.plan.ramp * n / self.plan.connections).await;
        match &self.plan.tls {
            None => self.ask(connect(self.plan.address).await?).await,
            Some(tls) if self.plan.handshakes => self.shake_hands(tls).await,
            Some(tls) => self.ask(encrypt(self.plan.address, tls).await?).await,
        }
    }

    async fn ask(&self, mut socket: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
        let request = request(self.plan.scenario);
        let expected = self.plan.scenario.reply().bytes();
        let many = self.plan.connections > 100;
        let mut buffer = vec![0; if many { 4 } else { 128 } << 10];
        while self.goes_on() {
            let call = call(&mut socket, &request, &mut buffer);
            let bytes = tokio::time::timeout(PATIENCE, call)
                .await
                .context("a reply took too long")??;
            ensure!(bytes == expected, "{bytes} bytes instead of {expected}");
            self.count(bytes);
        }
        Ok(())
    }

    async fn shake_hands(&self, tls: &Arc<ClientConfig>) -> Result<()> {
        while self.goes_on() {
            let mut socket = encrypt(self.plan.address, tls).await?;
            socket.shutdown().await?;
            let rest = socket.read(&mut [0]).await?;
            ensure!(rest == 0, "the server spoke first");
            self.count(0);
        }
        Ok(())
    }

    /// Whether there is another call to make; it counts as begun then.
    fn goes_on(&self) -> bool {
        let left = self.left.get();
        let more = left > 0 && self.start.elapsed() < self.plan.time;
        if more {
            self.left.set(left - 1);
        }
        more
    }

    fn count(&self, bytes: u64) {
        let before = self.tally.get();
        self.tally.set(Tally {
            calls: before.calls + 1,
            bytes: before.bytes + bytes,
            ..before
        });
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn encrypt(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::from(address.ip());
    let tls = TlsConnector::from(tls.clone());
    Ok(tls.connect(name, connect(address).await?).await?)
}

async fn call(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
    buffer: &mut [u8],
) -> Result<u64> {
    let mut reader = ReplyReader::default();
    socket.write_all(request).await?;
    loop {
        let n = socket.read(buffer).await?;
        if n == 0 {
            bail!("the connection was closed");
        }
        let read = reader.push(&buffer[..n]);
        if let Some(body) = read.map_err(|wrong| anyhow::anyhow!("wrong reply: {}", wrong.0))? {
            return Ok(body);
        }
    }
}

fn request(scenario: Scenario) -> Vec<u8> {
    let body = scenario.request();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        scenario.path(),
        body.len()
    );
    (head + &body).into_bytes()
}
