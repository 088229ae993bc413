//! Many exchanges on one HTTP/2 connection.

use std::{convert::Infallible, time::Duration};

use futures_util::future::join_all;
use http_body_util::{Either, channel::Channel};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Serves HTTP of either version, answering with the version.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let version = format!("{:?}", request.version());
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(version)))
    });
    let server = auto::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// A server in clear text that allows `streams` at a time. A request for `/endless` gets one event
/// and no end.
pub(super) async fn upstream(streams: u32) -> Upstream {
    Upstream::start(move |peer| async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            if request.uri().path() != "/endless" {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                return Ok::<_, Infallible>(Response::new(Either::Left(Full::new(body))));
            }
            let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
            tokio::spawn(async move {
                sender.send_data("event".into()).await.unwrap();
                std::future::pending::<()>().await;
            });
            Ok(Response::new(Either::Right(body)))
        });
        let mut server = conn::http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(streams);
        let _ = server
            .serve_connection(TokioIo::new(peer.stream), service)
            .await;
    })
    .await
}

fn client() -> Client {
    Client::new(ClientConfig {
        version: HttpVersion::Http2,
        ..ClientConfig::default()
    })
}

fn endless(upstream: &Upstream) -> Request<Full<Bytes>> {
    Request::get(format!("http://{}/endless", upstream.address))
        .body(Full::default())
        .unwrap()
}

#[tokio::test]
async fn a_crowd_of_requests_shares_one_connection() {
    let upstream = upstream(100).await;
    let client = client();
    let calls =
        (0..20).map(|_| async { text(client.call(upstream.post("x")).await.unwrap()).await });
    assert!(join_all(calls).await.iter().all(|text| text == "x"));
    assert_eq!(upstream.connections(), 1);
    let stats = client.stats();
    assert_eq!((stats.open, stats.idle), (1, 1));
}

#[tokio::test]
async fn another_connection_is_opened_when_no_stream_is_free() {
    let upstream = upstream(1).await;
    let client = client();
    let mut first = client.call(endless(&upstream)).await.unwrap().into_body();
    assert!(data(&mut first).await.starts_with(b"event"));
    let mut second = client.call(endless(&upstream)).await.unwrap().into_body();
    assert!(data(&mut second).await.starts_with(b"event"));
    assert_eq!(upstream.connections(), 2);
    assert_eq!((client.stats().open, client.stats().idle), (2, 0));
}

#[tokio::test]
async fn dropping_the_body_frees_its_stream_and_keeps_the_connection() {
    let upstream = upstream(1).await;
    let client = client();
    for _ in 0..3 {
        let mut body = client.call(endless(&upstream)).await.unwrap().into_body();
        assert!(data(&mut body).await.starts_with(b"event"));
    }
    assert_eq!(upstream.connections(), 1);
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let (close, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&close), Arc::clone(&closed));
    let upstream = Upstream::start(move |peer| {
        let (close, closed) = signals.clone();
        async move {
            tokio::select! {
                () = serve(peer.stream) => {}
                () = close.notified() => {}
            }
            closed.notify_one();
        }
    })
    .await;
    let client = client();
    for number in 1..3 {
        let response = client.call(upstream.post("x")).await.unwrap();
        assert_eq!(text(response).await, "HTTP/2.0");
        assert_eq!(upstream.connections(), number);
        close.notify_one();
        closed.notified().await;
        settle().await;
    }
}

#[tokio::test]
async fn a_request_body_that_fails_is_named_as_the_cause() {
    let upstream = upstream(1).await;
    let (sender, body) = Channel::<Bytes, BoxError>::new(1);
    let call = client().call(Request::post(upstream.url()).body(body).unwrap());
    sender.abort("client left".into());
    assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Body);
}

#[tokio::test]
async fn silence_on_a_stream_is_a_timeout_before_and_after_the_head() {
    let upstream = upstream(100).await;
    let client = client();
    let short = Timeouts {
        first_byte: MINUTE,
        idle: MINUTE,
        ..Timeouts::default()
    };
    let mut request = endless(&upstream);
    request.extensions_mut().insert(short);
    let mut body = client.call(request).await.unwrap().into_body();
    assert_eq!(data(&mut body).await, "event");
    tokio::time::pause();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdleTimeout);

    let (_unfinished, never) = Channel::<Bytes, BoxError>::new(1);
    let mut request = Request::post(upstream.url()).body(never).unwrap();
    request.extensions_mut().insert(short);
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FirstByteTimeout);
    assert_eq!((client.stats().open, client.stats().idle), (1, 0));
    drop(body);
    assert_eq!(client.stats().idle, 1);
}

#[tokio::test]
async fn a_shared_connection_nobody_uses_is_closed_after_a_while() {
    let upstream = upstream(100).await;
    let client = client();
    text(client.call(upstream.post("x")).await.unwrap()).await;
    tokio::time::pause();
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http2_is_an_error() {
    let upstream = Upstream::replying(HELLO).await;
    assert!(client().call(upstream.get()).await.is_err());
}
