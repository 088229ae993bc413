//! The far end of the request line: an LLM host on a loopback socket.

mod body;
mod serve;
mod settings;
mod wire;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, MutexGuard},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};

use self::{serve::Host, settings::Settings};
use crate::{
    capture::{Ended, Meter, Seen},
    script::{Behaviour, Script},
    shape::shape,
};

/// A fake LLM host that speaks OpenAI's and Anthropic's formats over HTTP/1.1 and, to clients that
/// begin with it, HTTP/2 in clear.
///
/// Replies depend on the request alone: the same bytes get the same reply. A token of output is a
/// word (or eight characters of a tool call's arguments), a token of input four bytes of the
/// request's body. Request headers control single replies:
///
/// | header | value |
/// |---|---|
/// | `x-fault` | the name of a [`Fault`](crate::Fault), or `ok`; several, separated by commas, are used in turn by requests with one `x-fault-id` |
/// | `x-pace` | a [`Pacing`](crate::Pacing), such as `every-7,delay-20` |
/// | `x-shape` | the name of a [`Shape`](crate::Shape) |
/// | `x-words` | how many words a text reply has |
///
/// A name that is unknown is answered with status 400 and `x-testkit-error`.
///
/// Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    host: Arc<Host>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts a host on a free port of 127.0.0.1, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the socket cannot be bound.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with IO and time enabled.
    pub async fn start() -> io::Result<Self> {
        Self::bind(0).await
    }

    /// Starts a host on a given port of 127.0.0.1; see [`Upstream::start`].
    ///
    /// # Errors
    ///
    /// When the socket cannot be bound.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let addr = listener.local_addr()?;
        let host = Arc::new(Host::new());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&host)));
        Ok(Self {
            addr,
            host,
            accepting,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Replaces the behaviour of the next requests and of those behind them.
    pub fn script(&self, script: Script) {
        self.settings().script = script;
    }

    /// Answers every request with a recorded reply, until [`Upstream::script`] is called.
    ///
    /// # Panics
    ///
    /// When no shape has the name.
    pub fn serve_shape(&self, name: &str) {
        let shape = shape(name).expect("a shape of this name is recorded");
        self.script(Script::new().always(Behaviour::from(shape)));
    }

    /// Demands a key from now on, where the vendor has it: `authorization: Bearer` for OpenAI,
    /// `x-api-key` or the same for Anthropic. Without this, none is demanded.
    pub fn require_key(&self, key: &str) {
        self.settings().answers.key = Some(key.to_owned());
    }

    /// What text replies say from now on.
    pub fn say(&self, text: &str) {
        text.clone_into(&mut self.settings().answers.text);
    }

    /// The models it lists from now on. Calls may name any model.
    pub fn models(&self, models: &[&str]) {
        self.settings().answers.models = models.iter().map(|&id| id.to_owned()).collect();
    }

    /// Whether requests are recorded; they are at first. Turn it off under load: what is seen stays
    /// in memory. The meter runs on.
    pub fn capture(&self, on: bool) {
        self.host.ledger.record(on);
    }

    /// The requests so far, in the order their heads arrived.
    pub fn seen(&self) -> Vec<Seen> {
        self.host.ledger.seen()
    }

    /// Drops the recorded requests that have ended; numbers go on counting.
    pub fn forget(&self) {
        self.host.ledger.forget();
    }

    /// What was billed so far.
    pub fn meter(&self) -> Meter {
        self.host.ledger.meter()
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.host.connections()
    }

    /// Every request at its end, from now on. The channel has no bound.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Seen> {
        self.host.ledger.subscribe()
    }

    /// Waits until a recorded request is one that the client left; `None` when the time is over.
    pub async fn wait_for_cancel(&self, timeout: Duration) -> Option<Seen> {
        self.wait_for(timeout, |seen| seen.ended == Ended::Cancelled)
            .await
    }

    /// Waits for the first recorded request that `wanted` accepts; `None` when the time is over.
    pub async fn wait_for(
        &self,
        timeout: Duration,
        mut wanted: impl FnMut(&Seen) -> bool,
    ) -> Option<Seen> {
        let found = |seen: &[Seen]| seen.iter().find(|seen| wanted(seen)).cloned();
        self.host.ledger.wait(timeout, found).await
    }

    /// Waits until `count` requests are recorded; what is there when the time is over.
    pub async fn wait_for_seen(&self, count: usize, timeout: Duration) -> Vec<Seen> {
        let enough = |seen: &[Seen]| (seen.len() >= count).then_some(());
        self.host.ledger.wait(timeout, enough).await;
        self.seen()
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.host.settings()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until aborted; the connections end with it.
async fn accept(listener: TcpListener, host: Arc<Host>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(Arc::clone(&host).connection(stream));
            }
            // Out of file descriptors, or the peer left already: others may still come.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
