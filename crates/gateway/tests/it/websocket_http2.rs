//! WebSocket to an upstream that is spoken to in HTTP/2 (RFC 8441).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::core::context::Outcome;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::proxy::Proxy;
use crate::support::soon;
use crate::websocket::{connect, connection, h1, talk};

/// A server of HTTP/2 that returns every message.
struct Modern {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    openings: UnboundedReceiver<(Option<String>, HeaderMap)>,
}

impl Modern {
    /// `announces` whether it takes extended `CONNECT`, which it answers by `status`.
    async fn start(announces: bool, status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let (send, openings) = unbounded_channel();
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let send = send.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let send = send.clone();
                    async move {
                        let protocol = request.extensions().get::<hyper::ext::Protocol>();
                        let protocol = protocol.map(|protocol| protocol.as_str().to_owned());
                        let reply = Response::builder().header("sec-websocket-protocol", "chat");
                        let tunnel = request.method() == Method::CONNECT;
                        send.send((protocol, request.headers().clone())).ok();
                        let body = if !tunnel || status != 200 { "no" } else { "" };
                        if tunnel && status == 200 {
                            tokio::spawn(echo(request));
                        }
                        let reply = reply.status(if tunnel { status } else { 200 });
                        Ok::<_, Infallible>(reply.body(Full::<Bytes>::from(body)).unwrap())
                    }
                });
                let mut server = http2::Builder::new(TokioExecutor::new());
                if announces {
                    server.enable_connect_protocol();
                }
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            addr,
            connections,
            openings,
        }
    }

    fn backend(&self) -> String {
        format!(
            "static: {{host: '{}', transport: {{http: http2}}}}",
            self.addr
        )
    }
}

async fn echo(request: Request<Incoming>) {
    let stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_conversation_reaches_an_upstream_of_http_2_from_either_version() {
    let mut upstream = Modern::start(true, 200).await;
    let proxy = Proxy::start(&upstream.backend()).await;
    let mut socket = h1(&proxy).await.unwrap();
    talk(&mut socket).await;
    let mut sender = connection(&proxy).await;
    proxy.records.next().await;
    let reply = sender.send_request(connect("websocket")).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    assert_eq!(reply.headers()["sec-websocket-protocol"], "chat");
    assert!(!reply.headers().contains_key("sec-websocket-accept"));
    let stream = TokioIo::new(hyper::upgrade::on(reply).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    talk(&mut socket).await;
    for calls in 0..3 {
        let (protocol, headers) = upstream.openings.recv().await.unwrap();
        // The call between the two conversations is none.
        assert_eq!(protocol.is_none(), calls == 1);
        for gone in ["connection", "upgrade", "sec-websocket-key"] {
            assert!(!headers.contains_key(gone), "{gone}: {headers:?}");
        }
        if let Some(protocol) = protocol {
            assert_eq!(protocol, "websocket");
            assert_eq!(headers["sec-websocket-version"], "13");
            assert_eq!(headers["x-own"], "1");
        }
    }
    assert_eq!(upstream.connections.load(Ordering::Relaxed), 1, "shared");
    let mut conversations = 0;
    while conversations < 1 {
        let record = soon("a record", proxy.records.next()).await;
        conversations += usize::from(record.operation == Some("websocket"));
        assert_eq!(record.outcome, Outcome::Completed);
        assert!(record.operation.is_none() || record.bytes_out > 200_000);
    }
}

#[tokio::test]
async fn an_upstream_of_http_2_that_did_not_announce_it_is_not_asked() {
    let mut upstream = Modern::start(false, 200).await;
    let proxy = Proxy::start(&upstream.backend()).await;
    let Error::Http(refused) = soon("a reply", h1(&proxy)).await.unwrap_err() else {
        panic!("it was carried")
    };
    assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(refused.headers()["portcullis-error"], "upgrade_refused");
    let mut sender = connection(&proxy).await;
    let refused = sender.send_request(connect("websocket")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
    let (protocol, _) = upstream.openings.recv().await.unwrap();
    assert_eq!(protocol, None);
    assert!(upstream.openings.try_recv().is_err(), "only the plain call");
}

#[tokio::test]
async fn a_refusal_of_an_upstream_of_http_2_reaches_the_caller() {
    let upstream = Modern::start(true, 403).await;
    let proxy = Proxy::start(&upstream.backend()).await;
    let Error::Http(refused) = soon("a reply", h1(&proxy)).await.unwrap_err() else {
        panic!("it was carried")
    };
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let mut sender = connection(&proxy).await;
    let refused = sender.send_request(connect("websocket")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}
