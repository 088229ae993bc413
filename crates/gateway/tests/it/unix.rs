//! The first stretch of the line at a unix socket.

use std::os::unix::fs::PermissionsExt;

use portcullis::Gateway;
use portcullis::core::config::{Address, ProxyProtocol, ProxyProtocolMode};
use portcullis::listener::ListenerConfig;
use portcullis::source::ValueSource;
use tokio::net::UnixStream;

use crate::door::*;
use crate::support::soon;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_gateway_serves_at_a_unix_socket_and_takes_it_away_at_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.sock");
    let config = format!(
        "schemaVersion: 1\nlisteners: [{{name: local, address: \"unix:{}\", socketMode: \"0600\"}}]\nroutes: [{{backend: {{directResponse: {{status: 200, body: here}}}}}}]\n",
        path.display()
    );
    let source = ValueSource::text(config);
    let gateway = Gateway::builder().source(source).build().await.unwrap();
    let running = gateway.run().await.unwrap();
    assert!(running.addresses().is_empty());
    assert_eq!(running.sockets()[0].1, path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let reply = exchange(&mut stream, REQUEST).await.unwrap();
    assert!(reply.ends_with("here"), "{reply}");
    let client = http2(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(call(&client, "http://a/").await, (200, "here".to_owned()));
    drop(client);
    soon("the stop", running.stop()).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_client_has_no_address_unless_a_proxy_says_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let mut config = ListenerConfig::new("web", Address::Unix(path.clone()));
    let wanted = ProxyProtocol::new(ProxyProtocolMode::Optional, Vec::new());
    config.proxy_protocol = Some(wanted);
    let _door = Door::open(&[config]).await;
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let told = exchange(&mut stream, REQUEST).await.unwrap();
    assert!(told.ends_with("web http None None 0"), "{told}");
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n";
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let told = exchange(&mut stream, &[&header[..], REQUEST].concat())
        .await
        .unwrap();
    assert!(
        told.ends_with("web http Some(\"192.0.2.7:40000\") None 0"),
        "{told}"
    );
}
