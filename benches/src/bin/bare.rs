//! The least a proxy made of hyper can do: `bare LISTEN UPSTREAM [CERTIFICATE KEY]`. It accepts, forwards
//! through a pool of kept connections and copies the answer back. No body is looked at, no header added,
//! nothing is logged. What the gateway costs is told as a multiple of this. With a certificate it speaks TLS.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use http::uri::{Authority, Scheme, Uri};
use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use portcullis_benches::tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Upstream = Client<HttpConnector, Incoming>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || {
        arguments
            .next()
            .context("usage: bare LISTEN UPSTREAM [CERTIFICATE KEY]")
    };
    let (listen, upstream) = (argument()?.parse()?, argument()?.parse()?);
    let tls = match arguments.next().zip(arguments.next()) {
        Some((certificate, key)) => Some(tls::acceptor(Path::new(&certificate), Path::new(&key))?),
        None => None,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listen, upstream, tls))
}

async fn serve(listen: SocketAddr, upstream: Authority, tls: Option<TlsAcceptor>) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        // A client that has left already is no reason to stop.
        if socket.set_nodelay(true).is_err() {
            continue;
        }
        let (client, upstream) = (client.clone(), upstream.clone());
        match tls.clone() {
            None => {
                tokio::spawn(connection(socket, client, upstream));
            }
            Some(tls) => {
                tokio::spawn(async move {
                    if let Ok(socket) = tls.accept(socket).await {
                        connection(socket, client, upstream).await;
                    }
                });
            }
        }
    }
}

async fn connection<S>(socket: S, client: Upstream, upstream: Authority)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| forward(&client, &upstream, request));
    // A call that fails closes its connection, and the client sees that.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn forward(
    client: &Upstream,
    upstream: &Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream.clone());
    *request.uri_mut() = Uri::from_parts(uri).expect("a path, and now an authority");
    strip(request.headers_mut());
    request.headers_mut().remove(header::HOST);
    let mut response = client.request(request).await?;
    strip(response.headers_mut());
    Ok(response)
}

/// Takes out what is about one connection only.
fn strip(headers: &mut HeaderMap) {
    const HOP: [header::HeaderName; 6] = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
    ];
    for name in &HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}
