//! The whole line while the certificate of its listener is renewed.

use std::fs;
use std::sync::Arc;

use portcullis::Gateway;
use portcullis::source::FileSource;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::door::{Authority, exchange};
use crate::support::soon;

const ASKS: &[u8] = b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn what_a_certificates_file_holds_now_is_shown_and_open_connections_go_on() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let renew = || {
        let pems = authority.certify(&["a.example"]);
        fs::write(file("a.crt"), &pems.certificate).unwrap();
        fs::write(file("a.key"), &pems.key).unwrap();
        pems.der()
    };
    let (first, (certificate, key)) = (renew(), (file("a.crt"), file("a.key")));
    let config = format!(
        "schemaVersion: 1\nlisteners:\n- name: web\n  address: \"127.0.0.1:0\"\n  tls: {{certificates: \
         [{{certificate: {{file: {certificate:?}}}, key: {{file: {key:?}}}}}]}}\n\
         routes: [{{backend: {{directResponse: {{status: 200, body: hello}}}}}}]\n"
    );
    fs::write(file("gateway.yaml"), config).unwrap();
    let gateway = Gateway::builder().source(FileSource::new(file("gateway.yaml")));
    let gateway = gateway.follow(false).build().await.unwrap();
    let running = gateway.run().await.unwrap();
    let address = running.addresses()[0].1;

    let connector = TlsConnector::from(Arc::new(authority.client(&TLS13)));
    let connect = async || {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        (stream, shown)
    };
    let (mut open, shown) = connect().await;
    assert_eq!(shown, first);
    let second = renew();
    gateway.reload().await.unwrap();
    assert_eq!(connect().await.1, second);
    let reply = soon("a reply", exchange(&mut open, ASKS)).await.unwrap();
    assert!(reply.ends_with("hello"), "{reply}");
}
