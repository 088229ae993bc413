//! Calls shaped as gRPC makes them: HTTP/2 on both sides, messages both ways at once, a status in trailers.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Either, Empty, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::core::context::Outcome;
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::Proxy;
use crate::support::soon;

type Answer = Response<Either<Channel<Bytes, Infallible>, Empty<Bytes>>>;

/// A server in clear text that returns each message, and ends with a status in trailers; a call to `/none` has
/// nothing but that.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(serve);
        }
    });
    addr
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.uri().authority().unwrap(), "shop.example");
    let reply = Response::builder().header("content-type", "application/grpc");
    if request.uri().path() == "/none" {
        // Trailers only: status and end of stream in one frame.
        let reply = reply
            .header("grpc-status", "12")
            .body(Either::Right(Empty::new()));
        return Ok(reply.unwrap());
    }
    let (mut send, body) = Channel::new(4);
    tokio::spawn(async move {
        let mut asked = request.into_body();
        while let Some(Ok(frame)) = asked.frame().await {
            match frame.into_data() {
                Ok(message) => send.send_data(message).await.unwrap(),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap();
                    assert_eq!(trailers["x-checked"], "yes");
                }
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("grpc-message", "f%C3%BCnf".parse().unwrap());
        send.send(Frame::trailers(trailers)).await.unwrap();
    });
    Ok(reply.body(Either::Left(body)).unwrap())
}

async fn client<B>(proxy: &Proxy) -> http2::SendRequest<B>
where
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let made = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = made.unwrap();
    tokio::spawn(connection);
    sender
}

fn call<B>(path: &str, body: B) -> Request<B> {
    Request::post(format!("http://shop.example{path}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn messages_pass_both_ways_at_once_and_the_status_follows() {
    let addr = server().await;
    for backend in [
        format!("static: {{host: '{addr}', transport: {{http: http2}}}}"),
        format!("static: {{endpoints: [{{host: '{addr}'}}], transport: {{http: http2}}}}"),
    ] {
        let proxy = Proxy::start(&backend).await;
        let mut sender = client(&proxy).await;
        let (send, messages) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
        let messages = futures_util::stream::unfold(messages, |mut messages| async {
            let next = messages.recv().await?;
            Some((Ok::<_, Infallible>(next), messages))
        });
        let body = StreamBody::new(Box::pin(messages));
        let reply = soon("a reply", sender.send_request(call("/echo", body)))
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let mut reply = reply.into_body();
        for message in ["one", "two", "three"] {
            send.send(Frame::data(message.into())).unwrap();
            let frame = soon("the echo", reply.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), message);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checked", "yes".parse().unwrap());
        send.send(Frame::trailers(trailers)).unwrap();
        drop(send);
        let frame = soon("trailers", reply.frame()).await.unwrap().unwrap();
        let trailers = frame.into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["grpc-message"], "f%C3%BCnf");
        assert!(reply.frame().await.is_none());
        let record = proxy.records.only().await;
        assert_eq!((record.bytes_in, record.bytes_out), (11, 11));
        assert_eq!(record.outcome, Outcome::Completed);
    }
}

#[tokio::test]
async fn a_reply_that_is_only_trailers_stays_one() {
    let addr = server().await;
    let proxy = Proxy::start(&format!(
        "static: {{host: '{addr}', transport: {{http: http2}}}}"
    ))
    .await;
    let mut sender = client(&proxy).await;
    let reply = soon(
        "a reply",
        sender.send_request(call("/none", Empty::<Bytes>::new())),
    )
    .await
    .unwrap();
    assert_eq!(reply.headers()["grpc-status"], "12");
    assert!(
        http_body::Body::is_end_stream(reply.body()),
        "one frame has it all"
    );
}
