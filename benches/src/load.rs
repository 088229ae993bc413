//! The client: so many connections, each asking anew when it has its answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::reply::ReplyReader;
use crate::scenario::Scenario;

/// The key every request is sent with.
pub const KEY: &str = "sk-client-1";
/// No reply takes longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to ask, and how often.
#[derive(Clone, Copy, Debug)]
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
            .map(|n| tasks.spawn_local(self.client(n, start, left.clone(), tally.clone())))
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

    async fn client(
        self,
        n: u32,
        start: Instant,
        left: Rc<Cell<u64>>,
        tally: Rc<Cell<Tally>>,
    ) -> Result<()> {
        tokio::time::sleep(self.ramp * n / self.connections).await;
        let mut socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let request = request(self.scenario);
        let expected = self.scenario.reply().bytes();
        let mut buffer = vec![0; if self.connections > 100 { 4 } else { 128 } << 10];
        while left.get() > 0 && start.elapsed() < self.time {
            left.set(left.get() - 1);
            let call = call(&mut socket, &request, &mut buffer);
            let bytes = tokio::time::timeout(PATIENCE, call)
                .await
                .context("a reply took too long")??;
            ensure!(bytes == expected, "{bytes} bytes instead of {expected}");
            let before = tally.get();
            tally.set(Tally {
                calls: before.calls + 1,
                bytes: before.bytes + bytes,
                ..before
            });
        }
        Ok(())
    }
}

async fn call(socket: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> Result<u64> {
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
