//! Around the first stretch: certificates, a listener that tells what it knows of a connection, clients.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::core::body::Body;
use portcullis::core::config::{Address, Secret, ServerCertificate};
use portcullis::listener::{
    ConnectionCounters, ConnectionInfo, Listener, ListenerConfig, ListenerHandle, Shutdown,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::soon;

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Pems {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn certify(&self, names: &[&str]) -> Pems {
        self.certify_as("server", names, &[])
    }

    /// A certificate with a subject and URIs among its names.
    pub(crate) fn certify_as(&self, subject: &str, names: &[&str], uris: &[&str]) -> Pems {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let uris = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pems {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// What a client of these servers is set up with, for HTTP/1.1.
    pub(crate) fn client(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> ClientConfig {
        self.builder(version).with_no_client_auth()
    }

    /// The same with a certificate of its own.
    pub(crate) fn client_as(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
        pems: &Pems,
    ) -> ClientConfig {
        let chain = vec![pems.der()];
        let key = PrivateKeyDer::from_pem_slice(pems.key.as_bytes()).unwrap();
        let builder = self.builder(version);
        builder.with_client_auth_cert(chain, key).unwrap()
    }

    fn builder(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        builder.with_root_certificates(roots)
    }
}

impl Pems {
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

impl From<&Pems> for ServerCertificate {
    fn from(pems: &Pems) -> Self {
        let secret = |text: &String| Secret::new(text.clone());
        Self::new(secret(&pems.certificate), secret(&pems.key))
    }
}

/// A listener that serves, and tells each caller what it knows of its connection.
pub(crate) struct Door {
    pub(crate) address: Address,
    pub(crate) handle: ListenerHandle,
    pub(crate) counters: ConnectionCounters,
    pub(crate) shutdown: Shutdown,
}

/// A listener at a free port of this machine.
pub(crate) fn local(name: &str) -> ListenerConfig {
    ListenerConfig::new(name, "127.0.0.1:0".parse::<SocketAddr>().unwrap())
}

impl Door {
    pub(crate) async fn open(sharing: &[ListenerConfig]) -> Self {
        let listener = Listener::bind_shared(sharing).await.unwrap();
        let door = Self {
            address: listener.local_addr().clone(),
            handle: listener.handle(),
            counters: ConnectionCounters::default(),
            shutdown: Shutdown::new(),
        };
        let listener = listener.with_counters(door.counters.clone());
        let service = tower::service_fn(tell);
        tokio::spawn(listener.serve(service, door.shutdown.clone()));
        door
    }

    pub(crate) fn ip(&self) -> SocketAddr {
        self.address.ip().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.ip()).await.unwrap()
    }

    /// Shakes hands, asking for `name`; an address asks for none.
    pub(crate) async fn encrypted(
        &self,
        config: &Arc<ClientConfig>,
        name: &'static str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name).unwrap();
        let connector = TlsConnector::from(config.clone());
        connector.connect(name, self.connect().await).await
    }

    /// What the listener knows of a client that shakes hands so.
    pub(crate) async fn told(
        &self,
        config: &Arc<ClientConfig>,
        name: &'static str,
    ) -> io::Result<String> {
        let mut stream = self.encrypted(config, name).await?;
        let request = format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
        exchange(&mut stream, request.as_bytes()).await
    }
}

/// Sends bytes and reads until the server closes.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    bytes: &[u8],
) -> io::Result<String> {
    stream.write_all(bytes).await?;
    let mut reply = Vec::new();
    soon("a reply", stream.read_to_end(&mut reply)).await?;
    Ok(String::from_utf8(reply).unwrap())
}

async fn tell(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let info = request
        .extensions()
        .get::<ConnectionInfo>()
        .unwrap()
        .clone();
    let length = match request.into_body().collect(1 << 20).await {
        Ok(bytes) => bytes.len().to_string(),
        Err(error) => error.code().name.to_owned(),
    };
    let peer = info.peer.map(|peer| peer.to_string());
    let proxy = info.proxy.map(|proxy| proxy.ip());
    let mut text = format!(
        "{} {} {peer:?} {proxy:?} {length}",
        info.listener, info.scheme
    );
    if let Some(tls) = info.tls {
        text.push_str(&format!(
            " {} {:?} {:?}",
            tls.version, tls.server_name, tls.client
        ));
    }
    Ok(Response::new(Body::from(text)))
}

/// A client of HTTP/2 on any connection.
pub(crate) type Http2 = http2::SendRequest<Empty<Bytes>>;

pub(crate) async fn http2(
    io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> Http2 {
    let io = TokioIo::new(io);
    let (client, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Calls `url` on a connection of HTTP/2: the status, and the body.
pub(crate) async fn call(client: &Http2, url: &str) -> (u16, String) {
    let request = Request::get(url).body(Empty::new()).unwrap();
    let reply = soon("a reply", client.clone().send_request(request))
        .await
        .unwrap();
    let status = reply.status().as_u16();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.into()).unwrap())
}
