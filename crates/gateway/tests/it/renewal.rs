//! The whole line while the certificate of its listener is renewed.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use portcullis::source::FileSource;
use portcullis::{Gateway, Running};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::door::{Authority, exchange};
use crate::support::soon;
use crate::swaps::{memory, swaps};

const ASKS: &[u8] = b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

/// A gateway over TLS whose certificate can be renewed.
struct Renewed {
    authority: Authority,
    directory: TempDir,
    gateway: Gateway,
    address: SocketAddr,
    _running: Running,
}

impl Renewed {
    /// One, and the certificate it shows.
    async fn start() -> (Self, CertificateDer<'static>) {
        let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
        let file = |name: &str| directory.path().join(name);
        let first = write(&authority, &directory);
        let (certificate, key) = (file("a.crt"), file("a.key"));
        let config = format!(
            "schemaVersion: 1\nlisteners:\n- name: web\n  address: \"127.0.0.1:0\"\n  tls: {{certificates: \
             [{{certificate: {{file: {certificate:?}}}, key: {{file: {key:?}}}}}]}}\n\
             routes: [{{backend: {{directResponse: {{status: 200, body: hello}}}}}}]\n"
        );
        fs::write(file("gateway.yaml"), config).unwrap();
        let gateway = Gateway::builder().source(FileSource::new(file("gateway.yaml")));
        let gateway = gateway.follow(false).build().await.unwrap();
        let running = gateway.run().await.unwrap();
        let renewed = Self {
            authority,
            directory,
            address: running.addresses()[0].1,
            gateway,
            _running: running,
        };
        (renewed, first)
    }

    /// Puts another certificate into the files and has them read.
    async fn renew(&self) -> CertificateDer<'static> {
        let certificate = write(&self.authority, &self.directory);
        self.gateway.reload().await.unwrap();
        certificate
    }
}

fn write(authority: &Authority, directory: &TempDir) -> CertificateDer<'static> {
    let pems = authority.certify(&["a.example"]);
    fs::write(directory.path().join("a.crt"), &pems.certificate).unwrap();
    fs::write(directory.path().join("a.key"), &pems.key).unwrap();
    pems.der()
}

async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> (TlsStream<TcpStream>, CertificateDer<'static>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let connector = TlsConnector::from(config.clone());
    let stream = connector.connect(name, stream).await.unwrap();
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    (stream, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_renewals_under_handshakes_fail_none_and_keep_no_memory() {
    let (renewed, _) = Renewed::start().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (address, stopped) = (renewed.address, stopped.clone());
        let mut config = renewed.authority.client(&TLS13);
        // Each handshake is a whole one.
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        clients.spawn(async move {
            let mut calls = 0;
            while !*stopped.borrow() {
                let (mut stream, _) = connect(address, &config).await;
                let reply = soon("a reply", exchange(&mut stream, ASKS)).await.unwrap();
                assert!(reply.ends_with("hello"), "{reply}");
                calls += 1;
            }
            calls
        });
    }
    let (all, start) = (swaps(50), Instant::now());
    let mut warm = None;
    for n in 0..all {
        renewed.renew().await;
        if n == all / 4 {
            warm = memory();
        }
    }
    let after = memory();
    stop.send(true).unwrap();
    let mut calls = 0;
    while let Some(client) = soon("a client", clients.join_next()).await {
        calls += client.unwrap();
    }
    let took = start.elapsed();
    // For whoever runs the long one.
    let told =
        format!("{all} renewals in {took:?}, {calls} handshakes, {warm:?} to {after:?} bytes\n");
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    assert!(calls > 4);
    if let (Some(warm), Some(after)) = (warm, after) {
        let grown = after.saturating_sub(warm);
        assert!(grown < 16 << 20, "{grown} bytes more after {all} renewals");
    }
}

#[tokio::test]
async fn what_a_certificates_file_holds_now_is_shown_and_open_connections_go_on() {
    let (renewed, first) = Renewed::start().await;
    let config = Arc::new(renewed.authority.client(&TLS13));
    let (mut open, shown) = connect(renewed.address, &config).await;
    assert_eq!(shown, first);
    let second = renewed.renew().await;
    assert_eq!(connect(renewed.address, &config).await.1, second);
    let reply = soon("a reply", exchange(&mut open, ASKS)).await.unwrap();
    assert!(reply.ends_with("hello"), "{reply}");
}
