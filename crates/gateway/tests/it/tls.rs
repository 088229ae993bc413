//! The first stretch of the line, encrypted: real clients, real handshakes.

use std::sync::Arc;
use std::time::Duration;

use portcullis::core::config::{
    AlpnProtocol, ClientCertificateMode, ClientCertificates, ListenerTls, Secret, TlsVersion,
};
use portcullis::listener::ListenerConfig;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::door::*;
use crate::support::{eventually, soon};

fn encrypted(name: &str, pems: &[&Pems]) -> ListenerConfig {
    let certificates = pems.iter().map(|pems| (*pems).into()).collect();
    let mut config = local(name);
    config.tls = Some(ListenerTls::new(certificates));
    config
}

/// The same listener again, for an update.
fn again(door: &Door, change: impl FnOnce(&mut ListenerTls), config: &ListenerConfig) {
    let mut config = config.clone();
    change(config.tls.as_mut().unwrap());
    door.handle.update(&[config]).unwrap();
}

fn asking(mode: ClientCertificateMode, authority: &Authority) -> Option<ClientCertificates> {
    let authorities = vec![Secret::new(authority.pem())];
    Some(ClientCertificates::new(mode, authorities))
}

async fn shown(door: &Door, config: &Arc<ClientConfig>, name: &'static str) -> Vec<u8> {
    let stream = door.encrypted(config, name).await.unwrap();
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

#[tokio::test]
async fn the_name_a_client_asks_for_picks_the_certificate() {
    let authority = Authority::new();
    let first = authority.certify(&["a.example", "127.0.0.1"]);
    let wildcard = authority.certify(&["*.b.example"]);
    let exact = authority.certify(&["x.b.example"]);
    let door = Door::open(&[encrypted("web", &[&first, &wildcard, &exact])]).await;
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(authority.client(version));
        for (name, expected) in [
            ("a.example", &first),
            ("y.b.example", &wildcard),
            ("X.B.example", &exact),
            ("127.0.0.1", &first),
        ] {
            let shown = shown(&door, &client, name).await;
            assert_eq!(shown, expected.der().as_ref(), "{name}");
        }
        let foreign = door.encrypted(&client, "of.nobody").await;
        assert!(
            foreign.is_err(),
            "the first is shown, and is for other names"
        );
    }
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_as_negotiated() {
    let authority = Authority::new();
    let pems = authority.certify(&["a.example"]);
    let config = encrypted("web", &[&pems]);
    let door = Door::open(std::slice::from_ref(&config)).await;
    let mut client = authority.client(&TLS13);
    let told = door
        .told(&Arc::new(client.clone()), "a.example")
        .await
        .unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
    assert!(told.contains("web https Some(\"127.0.0.1:"), "{told}");
    assert!(told.ends_with(" 0 1.3 Some(\"a.example\") None"), "{told}");
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Arc::new(client);
    let stream = door.encrypted(&client, "a.example").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (status, told) = call(&http2(stream).await, "https://a.example/").await;
    assert_eq!((status, told.contains("web https")), (200, true));
    again(&door, |tls| tls.alpn = vec![AlpnProtocol::Http11], &config);
    let stream = door.encrypted(&client, "a.example").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn an_older_version_than_the_least_is_refused() {
    let authority = Authority::new();
    let mut config = encrypted("web", &[&authority.certify(&["a.example"])]);
    config.tls.as_mut().unwrap().min_version = TlsVersion::Tls13;
    let door = Door::open(&[config]).await;
    let old = Arc::new(authority.client(&TLS12));
    assert!(door.told(&old, "a.example").await.is_err());
    eventually("it is counted", || door.counters.refused.get() == 1).await;
    let new = Arc::new(authority.client(&TLS13));
    assert!(door.told(&new, "a.example").await.is_ok());
}

#[tokio::test]
async fn a_verified_client_is_known_by_its_certificate() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let alice = clients.certify_as("alice", &["a.alice"], &["spiffe://example/alice"]);
    let mallory = strangers.certify_as("alice", &[], &["spiffe://example/alice"]);
    let mut config = encrypted("web", &[&authority.certify(&["a.example"])]);
    let wanted = asking(ClientCertificateMode::Required, &clients);
    config.tls.as_mut().unwrap().client_certificates = wanted;
    let door = Door::open(std::slice::from_ref(&config)).await;
    for version in [&TLS12, &TLS13] {
        let known = Arc::new(authority.client_as(version, &alice));
        let told = door.told(&known, "a.example").await.unwrap();
        for part in [
            "CN=alice",
            "Dns(\"a.alice\")",
            "Uri(\"spiffe://example/alice\")",
        ] {
            assert!(told.contains(part), "{told}");
        }
        let resumed = door.told(&known, "a.example").await.unwrap();
        assert!(
            resumed.contains("CN=alice"),
            "a resumed session keeps it: {resumed}"
        );
        for refused in [
            authority.client(version),
            authority.client_as(version, &mallory),
        ] {
            let told = door.told(&Arc::new(refused), "a.example").await;
            assert!(told.is_err(), "{told:?}");
        }
    }
    let optional = asking(ClientCertificateMode::Optional, &clients);
    again(&door, |tls| tls.client_certificates = optional, &config);
    let told = door
        .told(&Arc::new(authority.client(&TLS13)), "a.example")
        .await;
    assert!(told.unwrap().ends_with(" None"));
    let stranger = Arc::new(authority.client_as(&TLS13, &mallory));
    assert!(door.told(&stranger, "a.example").await.is_err());
}

async fn kind(door: &Door, config: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    let mut stream = door.encrypted(config, "a.example").await.unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n";
    // Reading on also takes the tickets, which come behind the handshake.
    exchange(&mut stream, request).await.unwrap();
    stream.get_ref().1.handshake_kind()
}

#[tokio::test]
async fn sessions_are_resumed_across_a_swap_of_certificates() {
    let authority = Authority::new();
    let (first, second) = (
        authority.certify(&["a.example"]),
        authority.certify(&["a.example"]),
    );
    let config = encrypted("web", &[&first]);
    let door = Door::open(std::slice::from_ref(&config)).await;
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(authority.client(version));
        let full = kind(&door, &client).await;
        assert!(matches!(
            full,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
        ));
        assert_eq!(kind(&door, &client).await, Some(HandshakeKind::Resumed));
        again(
            &door,
            |tls| tls.certificates = vec![(&second).into()],
            &config,
        );
        assert_eq!(kind(&door, &client).await, Some(HandshakeKind::Resumed));
        let fresh = Arc::new(authority.client(version));
        assert_eq!(
            shown(&door, &fresh, "a.example").await,
            second.der().as_ref()
        );
        again(&door, |_| {}, &config);
    }
}

#[tokio::test]
async fn sessions_without_the_certificate_now_asked_for_are_not_resumed() {
    let authority = Authority::new();
    let config = encrypted("web", &[&authority.certify(&["a.example"])]);
    let door = Door::open(std::slice::from_ref(&config)).await;
    let clients = [&TLS12, &TLS13].map(|version| Arc::new(authority.client(version)));
    for client in &clients {
        kind(&door, client).await;
        assert_eq!(kind(&door, client).await, Some(HandshakeKind::Resumed));
    }
    let wanted = asking(ClientCertificateMode::Required, &Authority::new());
    again(&door, |tls| tls.client_certificates = wanted, &config);
    for client in &clients {
        assert!(door.told(client, "a.example").await.is_err());
    }
}

#[tokio::test]
async fn connections_open_at_a_swap_go_on() {
    let authority = Authority::new();
    let (first, second) = (
        authority.certify(&["a.example"]),
        authority.certify(&["a.example"]),
    );
    let config = encrypted("web", &[&first]);
    let door = Door::open(std::slice::from_ref(&config)).await;
    let mut client = authority.client(&TLS13);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = door
        .encrypted(&Arc::new(client), "a.example")
        .await
        .unwrap();
    let open = http2(stream).await;
    assert_eq!(call(&open, "https://a.example/").await.0, 200);
    let bad = ListenerTls::new(vec![portcullis::core::config::ServerCertificate::new(
        Secret::new(first.certificate.clone()),
        Secret::new(second.key.clone()),
    )]);
    let mut refused = config.clone();
    refused.tls = Some(bad);
    assert!(door.handle.update(&[refused]).is_err());
    again(
        &door,
        |tls| tls.certificates = vec![(&second).into()],
        &config,
    );
    assert_eq!(call(&open, "https://a.example/").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_holds_up_nobody_and_ends() {
    let authority = Authority::new();
    let mut config = encrypted("web", &[&authority.certify(&["a.example"])]);
    config.limits.max_handshakes = 1;
    let door = Door::open(&[config]).await;
    let begun = Instant::now();
    let mut silent = door.connect().await;
    let client = Arc::new(authority.client(&TLS13));
    assert!(door.told(&client, "a.example").await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Ends without a reply, perhaps by a reset.
    let _ = silent.read(&mut [0; 8]).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(door.counters.refused.get(), 1);
}

#[tokio::test]
async fn what_is_no_handshake_is_closed() {
    let authority = Authority::new();
    let door = Door::open(&[encrypted("web", &[&authority.certify(&["a.example"])])]).await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        &[0; 64],
        &[0x16, 3, 1, 0xff, 0xff, 1],
    ] {
        let mut stream = door.connect().await;
        let mut reply = Vec::new();
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut stream)
            .await
            .unwrap();
        // An alert, or nothing; never a reply.
        let _ = soon("the close", stream.read_to_end(&mut reply)).await;
        assert!(!reply.starts_with(b"HTTP"), "{reply:?}");
    }
    eventually("all are counted", || door.counters.refused.get() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handshake_fails_while_certificates_are_swapped() {
    let authority = Authority::new();
    let sets = [(); 2].map(|()| authority.certify(&["a.example"]));
    let config = encrypted("web", &[&sets[0]]);
    let door = Arc::new(Door::open(std::slice::from_ref(&config)).await);
    let mut clients = tokio::task::JoinSet::new();
    for version in [&TLS12, &TLS13, &TLS12, &TLS13] {
        let (door, client) = (door.clone(), Arc::new(authority.client(version)));
        clients.spawn(async move {
            for _ in 0..25 {
                let told = door.told(&client, "a.example").await.unwrap();
                assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
            }
        });
    }
    let mut swaps = 0;
    while !clients.is_empty() {
        let pems = &sets[swaps % 2];
        again(&door, |tls| tls.certificates = vec![pems.into()], &config);
        swaps += 1;
        tokio::task::yield_now().await;
        while let Some(done) = clients.try_join_next() {
            done.unwrap();
        }
    }
    assert!(swaps > 25, "{swaps}");
    assert_eq!(door.counters.refused.get(), 0);
}
