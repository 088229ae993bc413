//! The client against servers that say exactly what a test wants, over real sockets.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

mod authority;
mod body;
mod certificates;
mod failure;
mod hostile;
mod http2;
mod limits;
#[cfg(feature = "dns")]
mod names;
mod reuse;
mod secure;
mod versions;
mod wakes;
mod ways;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A server of the test's own making.
struct Upstream {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// One accepted connection.
struct Peer {
    stream: TcpStream,
    /// Which connection this is, from 0.
    number: usize,
}

impl Upstream {
    /// Runs `script` for each connection.
    async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(script(Peer {
                    stream,
                    number: count.fetch_add(1, SeqCst),
                }));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// A server that answers every request with `reply`.
    async fn replying(reply: &'static [u8]) -> Self {
        Self::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(reply).await;
            }
        })
        .await
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    fn get(&self) -> Request<Full<Bytes>> {
        self.post("")
    }

    fn post(&self, body: &'static str) -> Request<Full<Bytes>> {
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        Request::post(self.url()).body(body).unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/v1/chat?stream", self.address)
    }
}

impl Peer {
    /// The next request, head and body (by its `content-length`); `None` when the client is gone.
    async fn request(&mut self) -> Option<String> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(char::from(self.stream.read_u8().await.ok()?));
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        for _ in 0..length.map_or(0, |length| length.parse().unwrap()) {
            text.push(char::from(self.stream.read_u8().await.ok()?));
        }
        Some(text)
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Returns when the client has closed the connection.
    async fn gone(&mut self) {
        while self.stream.read_u8().await.is_ok() {}
    }
}

fn client() -> Client {
    Client::new(ClientConfig::default())
}

async fn text(response: Response<ResponseBody>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The next data frame.
async fn data(body: &mut ResponseBody) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

/// The lengths of all data frames, and the data.
async fn frames(mut body: ResponseBody) -> (Vec<usize>, Vec<u8>) {
    let (mut lengths, mut all) = (Vec::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        lengths.push(data.len());
        all.extend_from_slice(&data);
    }
    (lengths, all)
}

/// Returns when everything written to or closed on a local socket so far has been noticed here:
/// the operating system reports readiness in order, and the byte sent here comes last.
async fn settle() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    far.write_all(b".").await.unwrap();
    near.read_u8().await.unwrap();
}
