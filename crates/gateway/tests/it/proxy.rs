//! Around the line: a gateway whose only backend carries plain HTTP, and upstreams that are mere sockets.

use std::net::SocketAddr;

use portcullis::source::ValueSource;
use portcullis::{Gateway, Running};
use portcullis_testkit::raw_exchange;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use crate::support::{PATIENCE, Records, records, soon};

/// A gateway with one route, to one backend.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    pub(crate) running: Running,
    pub(crate) records: Records,
}

impl Proxy {
    /// `backend` is the backend's kind and body, without its name.
    pub(crate) async fn start(backend: &str) -> Self {
        Self::with("[]", backend).await
    }

    /// The same behind policies.
    pub(crate) async fn with(policies: &str, backend: &str) -> Self {
        let config = format!(
            "{{schemaVersion: 1, listeners: [{{name: web, address: '127.0.0.1:0'}}], \
             routes: [{{policies: {policies}, backend: there}}], \
             backends: [{{name: there, {backend}}}]}}"
        );
        let (sink, records) = records();
        let source = ValueSource::text(config.as_str());
        let built = Gateway::builder().source(source).sink(sink).build().await;
        let gateway = built.unwrap_or_else(|e| panic!("{e}"));
        let running = gateway.run().await.unwrap();
        let addr = running.addresses()[0].1;
        Self {
            addr,
            running,
            records,
        }
    }

    /// What comes back for these bytes, until the gateway closes.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let reply = raw_exchange(self.addr, bytes.as_ref(), PATIENCE)
            .await
            .unwrap();
        String::from_utf8_lossy(&reply.bytes).into_owned()
    }
}

/// An upstream that answers every request with the same bytes, and keeps what it was sent.
pub(crate) struct Socket {
    pub(crate) addr: SocketAddr,
    seen: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Socket {
    /// It listens on every address of the machine, so that nothing misses it by luck.
    pub(crate) async fn start(reply: &'static str) -> Self {
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let (send, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, reply, send.clone()));
            }
        });
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            seen: Mutex::new(seen),
        }
    }

    /// The next request, byte for byte.
    pub(crate) async fn seen(&self) -> String {
        let mut seen = self.seen.lock().await;
        soon("a request", seen.recv()).await.unwrap()
    }

    /// Nobody has so much as connected since the last request.
    pub(crate) async fn nothing(&self, why: &str) {
        let further = self.seen.lock().await.try_recv().ok();
        assert!(further.is_none(), "{why}: {further:?}");
    }
}

async fn answer(mut stream: TcpStream, reply: &str, seen: mpsc::UnboundedSender<String>) {
    let mut bytes = Vec::new();
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) if bytes.is_empty() => {
                // The connection itself is what must not have been.
                seen.send(String::new()).ok();
                return;
            }
            Ok(0) | Err(_) => return,
            Ok(_) if is_whole(&bytes) => {}
            Ok(_) => continue,
        }
        seen.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
        bytes.clear();
        if stream.write_all(reply.as_bytes()).await.is_err() || reply.contains("close") {
            return;
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("transfer-encoding: chunked") {
        return body == "0\r\n\r\n" || body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n");
    }
    let length = head.split("content-length: ").nth(1);
    let length = length.map(|rest| rest.lines().next().unwrap().parse().unwrap());
    body.len() >= length.unwrap_or(0)
}
