//! WebSocket through the gateway, with a client and a server people use.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode, Version};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::core::context::Outcome;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::proxy::Proxy;
use crate::support::soon;

/// A server that returns every message, and the headers of each opening request.
async fn server() -> (
    std::net::SocketAddr,
    tokio::sync::mpsc::UnboundedReceiver<http::HeaderMap>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (send, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream, send.clone()));
        }
    });
    (addr, seen)
}

async fn echo(stream: TcpStream, seen: tokio::sync::mpsc::UnboundedSender<http::HeaderMap>) {
    #[expect(
        clippy::result_large_err,
        reason = "the callback's type is the library's"
    )]
    let note = |request: &server::Request, mut reply: server::Response| {
        seen.send(request.headers().clone()).ok();
        let chosen = "chat".parse().unwrap();
        reply.headers_mut().insert("sec-websocket-protocol", chosen);
        Ok(reply)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let answered = match message {
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => continue,
            message => socket.send(message).await,
        };
        if answered.is_err() {
            return;
        }
    }
    // The library answers a close while it is read on.
    while let Some(Ok(_)) = socket.next().await {}
}

fn opening(proxy: &Proxy) -> Request<()> {
    Request::get(format!("ws://{}/socket?x=%20y", proxy.addr))
        .header("host", "shop.example")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "WebSocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .header("x-own", "1")
        .body(())
        .unwrap()
}

pub(crate) async fn h1(proxy: &Proxy) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let (socket, reply) = client_async(opening(proxy), stream).await?;
    assert_eq!(reply.headers()["sec-websocket-protocol"], "chat");
    assert!(reply.headers().contains_key("x-request-id"));
    Ok(socket)
}

pub(crate) type Sender = http2::SendRequest<Empty<Bytes>>;

/// A connection of HTTP/2 on which the gateway has said that it takes extended CONNECT.
pub(crate) async fn connection(proxy: &Proxy) -> Sender {
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = made.unwrap();
    tokio::spawn(connection);
    let first = Request::get("http://shop.example/")
        .body(Empty::new())
        .unwrap();
    soon("a reply", sender.send_request(first)).await.unwrap();
    sender
}

pub(crate) fn connect(protocol: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri("http://shop.example/socket?x=%20y")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .header("x-own", "1")
        .body(Empty::new())
        .unwrap();
    let protocol = hyper::ext::Protocol::from_static(protocol);
    request.extensions_mut().insert(protocol);
    request
}

/// Talks, and closes.
pub(crate) async fn talk<S>(socket: &mut WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    for message in [Message::text("hello"), Message::binary(vec![7; 200_000])] {
        socket.send(message.clone()).await.unwrap();
        let back = soon("the echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(back, message);
    }
    socket.close(None).await.unwrap();
    let closed = async { while let Some(Ok(_)) = socket.next().await {} };
    soon("the end", closed).await;
}

#[tokio::test]
async fn a_conversation_over_http_1_is_carried_and_metered() {
    let (addr, mut seen) = server().await;
    let keys =
        "[{apiKeyAuthentication: {keys: [{key: sk-mine, id: me}]}}, {timeouts: {request: 10m}}]";
    let proxy = Proxy::with(keys, &format!("static: {{host: '{addr}'}}")).await;
    let refused = h1(&proxy).await.unwrap_err();
    let Error::Http(refused) = refused else {
        panic!("{refused}")
    };
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "policies see the opening"
    );
    proxy.records.next().await;

    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let mut request = opening(&proxy);
    request
        .headers_mut()
        .insert("x-api-key", "sk-mine".parse().unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    talk(&mut socket).await;
    let headers = seen.recv().await.unwrap();
    assert_eq!(
        (&headers["host"], &headers["x-own"]),
        (&"shop.example".parse().unwrap(), &"1".parse().unwrap())
    );
    assert!(!headers.contains_key("x-api-key"));
    let record = proxy.records.only().await;
    assert_eq!(
        (record.operation, record.outcome),
        (Some("websocket"), Outcome::Completed)
    );
    assert_eq!(record.status.unwrap(), 101);
    assert_eq!(record.principal.as_deref(), Some("me"));
    assert!(
        record.bytes_in > 200_000 && record.bytes_out > 200_000,
        "{record:?}"
    );
    assert_eq!(record.attempts[0].outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_conversation_over_http_2_reaches_a_server_of_http_1() {
    let (addr, mut seen) = server().await;
    let proxy = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let mut sender = connection(&proxy).await;
    proxy.records.next().await;
    let reply = soon("the opening", sender.send_request(connect("websocket")))
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(reply.headers()["sec-websocket-protocol"], "chat");
    for gone in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!reply.headers().contains_key(gone), "{gone}");
    }
    let headers = seen.recv().await.unwrap();
    assert_eq!(headers["host"], "shop.example");
    assert!(headers.contains_key("sec-websocket-key"));
    let stream = TokioIo::new(hyper::upgrade::on(reply).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    talk(&mut socket).await;
    let record = proxy.records.only().await;
    assert_eq!(
        (record.operation, record.outcome),
        (Some("websocket"), Outcome::Completed)
    );
    assert!(
        record.bytes_in > 200_000 && record.bytes_out > 200_000,
        "{record:?}"
    );
}

#[tokio::test]
async fn conversations_and_calls_share_a_connection_of_http_2() {
    let (addr, _seen) = server().await;
    let proxy = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let mut sender = connection(&proxy).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let reply = sender.send_request(connect("websocket")).await.unwrap();
        let stream = TokioIo::new(hyper::upgrade::on(reply).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
    }
    let talks: Vec<_> = sockets.iter_mut().map(talk).collect();
    soon("all conversations", futures_util::future::join_all(talks)).await;
    for _ in 0..21 {
        let record = proxy.records.next().await;
        assert!(record.operation.is_none() || record.outcome == Outcome::Completed);
    }
}

#[tokio::test]
async fn the_forward_proxy_carries_conversations_too() {
    let (addr, _seen) = server().await;
    let proxy = Proxy::start(&format!("forward: {{allow: ['{addr}']}}")).await;
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let mut request = opening(&proxy);
    request
        .headers_mut()
        .insert("host", addr.to_string().parse().unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    talk(&mut socket).await;
    assert_eq!(proxy.records.only().await.operation, Some("websocket"));
}

#[tokio::test]
async fn an_upgrade_not_allowed_or_not_known_is_refused() {
    let (addr, mut seen) = server().await;
    let proxy = Proxy::start(&format!("static: {{host: '{addr}', upgrades: []}}")).await;
    let Error::Http(refused) = h1(&proxy).await.unwrap_err() else {
        panic!("it was carried")
    };
    assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(refused.headers()["portcullis-error"], "upgrade_refused");
    let mut sender = connection(&proxy).await;
    for protocol in ["websocket", "connect-udp"] {
        let refused = sender.send_request(connect(protocol)).await.unwrap();
        assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn a_server_that_does_not_speak_websocket_is_not_taken_for_one() {
    for (answer, over_h1, over_h2) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, 502),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            403,
            403,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            502,
            502,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n",
            101,
            502,
        ),
    ] {
        let upstream = crate::proxy::Socket::start(answer).await;
        let proxy = Proxy::start(&format!("static: {{host: '{}'}}", upstream.addr)).await;
        let status = match h1(&proxy).await {
            Err(Error::Http(reply)) => reply.status().as_u16(),
            // The client has seen by itself that the answer is not made for it.
            Err(_) | Ok(_) => 101,
        };
        assert_eq!(status, over_h1, "{answer}");
        let mut sender = connection_without_call(&proxy).await;
        let reply = sender.send_request(connect("websocket")).await.unwrap();
        assert_eq!(reply.status().as_u16(), over_h2, "{answer}");
    }
}

/// The same connection, where a first call would get the answer meant for another.
async fn connection_without_call(proxy: &Proxy) -> Sender {
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = made.unwrap();
    tokio::spawn(connection);
    let mut first = Request::get("http://shop.example/")
        .body(Empty::new())
        .unwrap();
    // Refused by the listener: two hosts.
    for _ in 0..2 {
        first
            .headers_mut()
            .append("host", "shop.example".parse().unwrap());
    }
    soon("a reply", sender.send_request(first)).await.unwrap();
    sender
}

#[tokio::test]
async fn silence_ends_a_conversation() {
    let (addr, _seen) = server().await;
    let config = format!("static: {{host: '{addr}', upgradeIdleTimeout: 50ms}}");
    let proxy = Proxy::start(&config).await;
    let mut socket = h1(&proxy).await.unwrap();
    let ended = soon("the end", socket.next()).await;
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
    let record = proxy.records.only().await;
    let Outcome::Failed(code) = record.outcome else {
        panic!("{record:?}")
    };
    assert_eq!(code.name, "upgrade_idle");
}

#[tokio::test]
async fn a_conversation_is_cut_at_the_deadline_of_a_shutdown_and_counted() {
    let (addr, _seen) = server().await;
    let proxy = Proxy::start(&format!("static: {{host: '{addr}'}}")).await;
    let mut one = h1(&proxy).await.unwrap();
    let mut sender = connection(&proxy).await;
    let reply = sender.send_request(connect("websocket")).await.unwrap();
    let stream = TokioIo::new(hyper::upgrade::on(reply).await.unwrap());
    let mut two = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    proxy.records.next().await;
    proxy.running.shutdown().begin(Duration::from_millis(300));
    one.send(Message::text("still here")).await.unwrap();
    soon("the echo", one.next()).await.unwrap().unwrap();
    two.send(Message::text("still here")).await.unwrap();
    soon("the echo", two.next()).await.unwrap().unwrap();
    let drained = soon("the end", proxy.running.wait()).await;
    assert_eq!(drained.cut, 2);
    assert!(!matches!(soon("the end", one.next()).await, Some(Ok(_))));
    for _ in 0..2 {
        let record = proxy.records.next().await;
        let Outcome::Failed(code) = record.outcome else {
            panic!("{record:?}")
        };
        assert_eq!(code.name, "stopping");
    }
}

#[tokio::test]
async fn a_backend_that_calls_models_opens_no_tunnel() {
    let upstream =
        crate::proxy::Socket::start("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let llm = format!(
        "llm: {{provider: openai, baseUrl: 'http://{}/v1', apiKey: k}}",
        upstream.addr
    );
    let proxy = Proxy::start(&llm).await;
    let mut sender = connection_without_call(&proxy).await;
    let mut request = connect("websocket");
    *request.uri_mut() = "http://shop.example/v1/realtime?model=x".parse().unwrap();
    let reply = soon("a reply", sender.send_request(request)).await.unwrap();
    assert!(reply.status().is_client_error(), "{reply:?}");
    let tunnel =
        "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\nconnection: close\r\n\r\n";
    let reply = proxy.raw(tunnel).await;
    assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
    upstream.nothing("nothing is sent on").await;
}

#[tokio::test]
async fn a_program_that_serves_by_itself_carries_conversations_too() {
    let (addr, _seen) = server().await;
    let config =
        format!("{{schemaVersion: 1, routes: [{{backend: {{static: {{host: '{addr}'}}}}}}]}}");
    let source = portcullis::source::ValueSource::text(config.as_str());
    let gateway = portcullis::Gateway::builder()
        .source(source)
        .build()
        .await
        .unwrap();
    let service = gateway.embedded();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let request = request.map(portcullis::core::body::Body::new);
            tower::ServiceExt::oneshot(service.clone(), request)
        });
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        served.await.unwrap();
    });
    let mut request = Request::get("ws://shop.example/socket").body(()).unwrap();
    for (name, value) in [
        ("host", "shop.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(own).await.unwrap();
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    talk(&mut socket).await;
}
