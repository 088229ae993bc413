//! One connection, for one request after the other.

use std::{future::Future, io};

use http::{Method, Request, Uri, header::HOST};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::client::{
    outgoing::{Outgoing, OutgoingBody},
    reply::{Reply, Streaming},
};

/// A connection. Dropping it closes the socket at once, in the middle of whatever it does.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    running: JoinHandle<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<OutgoingBody>),
    Http2(http2::SendRequest<OutgoingBody>),
}

impl Connection {
    pub(super) async fn open(url: &str, http2: bool) -> io::Result<Self> {
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let host = uri
            .authority()
            .ok_or_else(|| io::Error::other("the URL has no host"))?;
        let address = (host.host(), host.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let (sender, running) = if http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                .await
                .map_err(io::Error::other)?;
            (Sender::Http2(sender), run(connection))
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
            (Sender::Http1(sender), run(connection))
        };
        Ok(Self { sender, running })
    }

    /// Sends a request and reads the whole reply; the URL's host goes into `host` only.
    ///
    /// # Errors
    ///
    /// When the connection breaks before the reply is complete.
    pub async fn send(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Outgoing>,
    ) -> io::Result<Reply> {
        self.stream(method, url, headers, body)
            .await?
            .collect()
            .await
    }

    /// Sends a request and returns once the reply's head is there.
    ///
    /// # Errors
    ///
    /// When the connection breaks before that, or a header is not valid.
    pub async fn stream(
        &mut self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Outgoing>,
    ) -> io::Result<Streaming> {
        let uri: Uri = url.parse().map_err(io::Error::other)?;
        let request = Request::builder().method(method);
        let request = match &self.sender {
            Sender::Http2(_) => request.uri(uri),
            Sender::Http1(_) => {
                let host = uri.authority().map_or("", |host| host.as_str());
                let target = uri.path_and_query().map_or("/", |target| target.as_str());
                let named = headers
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case("host"));
                let request = request.uri(target);
                if named {
                    request
                } else {
                    request.header(HOST, host)
                }
            }
        };
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .body(body.into().into_body())
            .map_err(io::Error::other)?;
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        response.map(Streaming::new).map_err(io::Error::other)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Drives a connection; its errors reach whoever waits for the reply.
fn run<F, E>(connection: F) -> JoinHandle<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    tokio::spawn(async move {
        let _ended = connection.await;
    })
}
