//! The first stretch of the line, over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis_core::body::{Body, Ended};
use portcullis_core::config::ListenerLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// The server's end of a streamed reply, and how that reply ended.
type Stream = (
    Sender<bytes::Bytes, Infallible>,
    mpsc::UnboundedReceiver<Ended>,
);

type Client = http2::SendRequest<Empty<bytes::Bytes>>;

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    counters: ConnectionCounters,
    streams: mpsc::UnboundedReceiver<Stream>,
    served: JoinHandle<Drained>,
}

/// Answers `/stream` with a body the test writes, panics at `/panic`, else tells what it saw.
async fn answer(
    request: Request<Body>,
    streams: mpsc::UnboundedSender<Stream>,
) -> Result<Response<Body>, Infallible> {
    let info = request.extensions().get::<ConnectionInfo>().unwrap();
    let seen = format!("{} {:?} {}", info.listener, request.version(), info.scheme);
    Ok(Response::new(match request.uri().path() {
        "/stream" => {
            let (sender, body) = Channel::new(4);
            let (ended, ends) = mpsc::unbounded_channel();
            streams.send((sender, ends)).unwrap();
            Body::new(body).on_end(move |end| ended.send(end.how).unwrap_or_default())
        }
        "/panic" => panic!("as the test wants it"),
        _ => {
            let bytes = request.into_body().collect(1 << 20).await.unwrap();
            Body::from(format!("{seen} {}", bytes.len()))
        }
    }))
}

async fn start(limit: impl FnOnce(&mut ListenerLimits)) -> Running {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut config = ListenerConfig::new("web", any);
    limit(&mut config.limits);
    let counters = ConnectionCounters::default();
    let listener = Listener::bind(config).await.unwrap();
    let address = listener.local_addr().ip().unwrap();
    let listener = listener.with_counters(counters.clone());
    let shutdown = Shutdown::new();
    let (send, streams) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request| answer(request, send.clone()));
    let served = tokio::spawn(listener.serve(service, shutdown.clone()));
    Running {
        address,
        shutdown,
        counters,
        streams,
        served,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn h2(&self) -> Client {
        self.h2_and_end().await.0
    }

    /// A client of HTTP/2, and the end of its connection.
    async fn h2_and_end(&self) -> (Client, JoinHandle<()>) {
        let io = TokioIo::new(self.connect().await);
        let (client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let end = tokio::spawn(async { connection.await.unwrap_or_default() });
        (client, end)
    }

    /// Sends bytes on a new connection and reads until the server closes it.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut reply = Vec::new();
        // A reset after the reply is an end too: bytes of ours may have been left unread.
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8(reply).unwrap()
    }
}

fn get(path: &str) -> Request<Empty<bytes::Bytes>> {
    let uri = format!("http://gateway{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

/// Reads until what came contains `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(end) {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "closed after {seen:?}");
        seen.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    seen
}

const CLOSE: &str = "host: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn both_versions_are_served_on_one_port() {
    let running = start(|_| {}).await;
    let request = format!("POST / HTTP/1.1\r\ncontent-length: 3\r\n{CLOSE}abc");
    let reply = running.exchange(request.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\nweb HTTP/1.1 http 3"), "{reply}");

    let reply = running.h2().await.send_request(get("/")).await.unwrap();
    assert_eq!(reply.version(), Version::HTTP_2);
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "web HTTP/2.0 http 0");
}

#[tokio::test]
async fn a_first_request_in_single_bytes_and_pipelined_ones_are_answered() {
    let running = start(|_| {}).await;
    let mut stream = running.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in b"PRI-FIX / HTTP/1.1\r\nhost: a\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    read_to(&mut stream, "http 0").await;
    let two = format!("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n{CLOSE}");
    stream.write_all(two.as_bytes()).await.unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    assert_eq!(replies.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn a_head_over_its_limits_is_answered_431() {
    let running = start(|limits| limits.max_headers = 10).await;
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n{CLOSE}", "y".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\n{}{CLOSE}", "x: y\r\n".repeat(10));
    for request in [large, many] {
        let reply = running.exchange(request.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 431 "), "{reply}");
    }
    let mut client = running.h2().await;
    let mut request = get("/");
    for _ in 0..11 {
        request.headers_mut().append("x", "y".parse().unwrap());
    }
    let reply = client.send_request(request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(reply.headers()["portcullis-error"], "too_many_headers");
}

#[tokio::test]
async fn a_request_whose_end_or_host_is_ambiguous_is_answered_400() {
    let running = start(|_| {}).await;
    for head in [
        "content-length: 3\r\ncontent-length: 4\r\nhost: a\r\n",
        "content-length: +3\r\nhost: a\r\n",
        "transfer-encoding: chunked, gzip\r\nhost: a\r\n",
        "host: a\r\nhost: b\r\n",
        "host : a\r\n",
        "host: a\r\n x: folded\r\n",
        "",
    ] {
        let request = format!("POST / HTTP/1.1\r\n{head}connection: close\r\n\r\nabc");
        let reply = running.exchange(request.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{head}: {reply}");
    }
}

#[tokio::test]
async fn at_the_most_connections_the_next_waits_until_one_ends() {
    let mut running = start(|limits| limits.max_connections = 1).await;
    let mut first = running.connect().await;
    first
        .write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (sender, _ends) = running.streams.recv().await.unwrap();
    let request = format!("GET / HTTP/1.1\r\n{CLOSE}");
    let mut second = running.connect().await;
    second.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(
        (running.counters.open.get(), running.counters.full.get()),
        (1, 1)
    );
    assert_eq!(running.counters.accepted.get(), 1);
    drop((sender, first));
    read_to(&mut second, "http 0").await;
    assert_eq!(running.counters.accepted.get(), 2);
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let running = start(|_| {}).await;
    let mut other = running.connect().await;
    other
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    read_to(&mut other, "http 0").await;
    let request = format!("GET /panic HTTP/1.1\r\n{CLOSE}");
    assert_eq!(running.exchange(request.as_bytes()).await, "");
    let mut h2 = running.h2().await;
    h2.send_request(get("/panic")).await.unwrap_err();
    assert_eq!(h2.send_request(get("/")).await.unwrap().status(), 200);
    other
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    read_to(&mut other, "http 0").await;
}

#[tokio::test]
async fn calls_under_way_at_a_shutdown_finish() {
    let mut running = start(|_| {}).await;
    let mut h1 = running.connect().await;
    h1.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (mut one, _) = running.streams.recv().await.unwrap();
    let h2 = running
        .h2()
        .await
        .send_request(get("/stream"))
        .await
        .unwrap();
    let (mut two, _) = running.streams.recv().await.unwrap();
    let mut idle = running.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    read_to(&mut idle, "http 0").await;

    running.shutdown.begin(Duration::from_secs(600));
    assert_eq!(
        idle.read(&mut [0; 8]).await.unwrap(),
        0,
        "idle ones end at once"
    );
    one.send_data("last words".into()).await.unwrap();
    two.send_data("last words".into()).await.unwrap();
    drop((one, two));
    let mut reply = String::new();
    h1.read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("last words\r\n0\r\n\r\n"), "{reply}");
    assert_eq!(
        h2.into_body().collect().await.unwrap().to_bytes(),
        "last words"
    );
    let drained = running.served.await.unwrap();
    assert_eq!(drained.cut, 0);
    assert_eq!(running.counters.open.get(), 0);
    TcpStream::connect(running.address).await.unwrap_err();
}

#[tokio::test]
async fn what_is_busy_at_the_deadline_is_cut_and_counted() {
    let mut running = start(|_| {}).await;
    let mut h1 = running.connect().await;
    h1.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (mut one, mut one_ends) = running.streams.recv().await.unwrap();
    one.send_data("begun".into()).await.unwrap();
    read_to(&mut h1, "begun").await;
    let h2 = running
        .h2()
        .await
        .send_request(get("/stream"))
        .await
        .unwrap();
    let (_two, mut two_ends) = running.streams.recv().await.unwrap();

    running.shutdown.begin(Duration::from_secs(600));
    running.shutdown.begin(Duration::ZERO);
    let drained = running.served.await.unwrap();
    assert_eq!((drained.cut, running.counters.cut.get()), (2, 2));
    assert_eq!(one_ends.recv().await, Some(Ended::Left));
    assert_eq!(two_ends.recv().await, Some(Ended::Left));
    h2.into_body().collect().await.unwrap_err();
    let mut rest = Vec::new();
    let _ = h1.read_to_end(&mut rest).await;
    assert!(
        !String::from_utf8(rest).unwrap().contains("0\r\n\r\n"),
        "no end"
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_after_the_idle_timeout() {
    let running = start(|_| {}).await;
    let mut h1 = running.connect().await;
    h1.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    read_to(&mut h1, "http 0").await;
    let answered = Instant::now();
    assert_eq!(h1.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(answered.elapsed().as_secs(), 120);

    let (mut h2, end) = running.h2_and_end().await;
    let reply = h2.send_request(get("/")).await.unwrap();
    reply.into_body().collect().await.unwrap();
    let answered = Instant::now();
    end.await.unwrap();
    assert_eq!(answered.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_arrive_whole_ends_its_connection() {
    let running = start(|_| {}).await;
    let mut silent = running.connect().await;
    let begun = Instant::now();
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 10);

    let mut slow = running.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    read_to(&mut slow, "http 0").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let begun = Instant::now();
    slow.write_all(b"GET / HT").await.unwrap();
    assert_eq!(slow.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_take_longer_than_any_patience_with_its_connection() {
    let mut running = start(|_| {}).await;
    let mut h1 = running.connect().await;
    h1.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let (mut sender, _ends) = running.streams.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    sender.send_data("at last".into()).await.unwrap();
    drop(sender);
    read_to(&mut h1, "at last\r\n0\r\n\r\n").await;
    let answered = Instant::now();
    assert_eq!(h1.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(
        answered.elapsed().as_secs(),
        120,
        "and is idle from its end on"
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let running = start(|_| {}).await;
    let config = ListenerConfig::new("web", running.address);
    let error = Listener::bind(config).await.unwrap_err();
    let address = running.address;
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!("listener `web` cannot bind {address}")
    );
}
