//! The first stretch of the line behind a proxy that tells who the client is.

use std::sync::Arc;

use portcullis::core::config::{ListenerTls, ProxyProtocol, ProxyProtocolMode};
use portcullis::listener::ListenerConfig;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::door::*;
use crate::support::eventually;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x11\xc0\0\x02\x07\x0a\0\0\x01\x9c\x40\x01\xbb\x04\0\x02\x09\x09";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
const UNIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const CLIENT: &str = "web http Some(\"192.0.2.7:40000\") Some(127.0.0.1) 0";

fn behind(mode: ProxyProtocolMode, trusted: &str) -> ListenerConfig {
    let mut config = local("web");
    config.proxy_protocol = Some(ProxyProtocol::new(mode, vec![trusted.to_owned()]));
    config
}

async fn told(door: &Door, header: &[u8]) -> String {
    let mut stream = door.connect().await;
    let told = exchange(&mut stream, &[header, REQUEST].concat()).await;
    // A reset is an end too: bytes of ours may have been left unread.
    told.unwrap_or_default()
}

#[tokio::test]
async fn the_client_is_who_a_trusted_proxy_says() {
    let door = Door::open(&[behind(ProxyProtocolMode::Required, "127.0.0.0/8")]).await;
    for header in [V1, V2] {
        let told = told(&door, header).await;
        assert!(told.ends_with(CLIENT), "{told}");
    }
    let itself = told(&door, LOCAL).await;
    assert!(
        itself.contains("Some(\"127.0.0.1:") && itself.ends_with(" None 0"),
        "{itself}"
    );
    let elsewhere = told(&door, UNIX).await;
    assert!(elsewhere.ends_with("None Some(127.0.0.1) 0"), "{elsewhere}");
}

#[tokio::test]
async fn a_header_in_single_bytes_is_read_and_nothing_behind_it() {
    let door = Door::open(&[behind(ProxyProtocolMode::Optional, "127.0.0.1")]).await;
    for header in [V1, V2] {
        let mut stream = door.connect().await;
        stream.set_nodelay(true).unwrap();
        for byte in header {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let told = exchange(&mut stream, REQUEST).await.unwrap();
        assert!(told.ends_with(CLIENT), "{told}");
    }
}

#[tokio::test]
async fn without_the_header_a_required_one_closes_and_an_optional_one_does_not() {
    let required = Door::open(&[behind(ProxyProtocolMode::Required, "127.0.0.1")]).await;
    for header in [&b""[..], b"PROXY NONSENSE\r\n", b"PROXY TCP4 1 2 3 4\r\n"] {
        assert_eq!(told(&required, header).await, "");
    }
    eventually("all are counted", || required.counters.refused.get() == 3).await;
    let optional = Door::open(&[behind(ProxyProtocolMode::Optional, "127.0.0.1")]).await;
    let plain = told(&optional, b"").await;
    assert!(
        plain.contains("Some(\"127.0.0.1:") && plain.ends_with(" None 0"),
        "{plain}"
    );
    let malformed = told(&optional, b"PROXY TCP4 1 2 3 4\r\n").await;
    assert_eq!(malformed, "", "a header that is begun must be one");
}

#[tokio::test]
async fn who_is_not_trusted_is_not_believed() {
    let required = Door::open(&[behind(ProxyProtocolMode::Required, "10.0.0.0/8")]).await;
    assert_eq!(told(&required, V1).await, "");
    let optional = Door::open(&[behind(ProxyProtocolMode::Optional, "10.0.0.0/8")]).await;
    let believed = told(&optional, V1).await;
    assert!(!believed.contains("192.0.2.7"), "{believed}");
    assert!(
        !believed.contains("200 OK"),
        "to HTTP it is garbage: {believed}"
    );
    assert!(told(&optional, b"").await.contains("Some(\"127.0.0.1:"));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come_ends_its_connection() {
    let door = Door::open(&[behind(ProxyProtocolMode::Required, "127.0.0.1")]).await;
    let begun = Instant::now();
    let mut stream = door.connect().await;
    stream.write_all(&V2[..20]).await.unwrap();
    let _ = stream.read(&mut [0; 8]).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn the_header_comes_before_the_handshake() {
    let authority = Authority::new();
    let pems = authority.certify(&["a.example"]);
    let mut config = behind(ProxyProtocolMode::Optional, "127.0.0.1");
    config.tls = Some(ListenerTls::new(vec![(&pems).into()]));
    let door = Door::open(&[config]).await;
    let connector = TlsConnector::from(Arc::new(authority.client(&TLS13)));
    for (header, says) in [
        (V1, "192.0.2.7:40000"),
        (V2, "192.0.2.7:40000"),
        (b"", "127.0.0.1:"),
    ] {
        let mut stream = door.connect().await;
        stream.write_all(header).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let told = exchange(&mut stream, REQUEST).await.unwrap();
        assert!(told.contains(&format!("web https Some(\"{says}")), "{told}");
    }
}
