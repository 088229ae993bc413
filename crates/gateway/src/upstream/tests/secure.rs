//! Connections over TLS.

use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate that signs itself, for the address the tests listen on.
pub(super) fn authority() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

pub(super) fn trusting(root: &CertificateDer<'static>) -> ClientConfig {
    ClientConfig {
        system_roots: false,
        extra_roots: vec![root.clone()],
        ..ClientConfig::default()
    }
}

fn acceptor(certified: &CertifiedKey<KeyPair>, protocols: &[&str]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A server behind TLS that answers each request with the protocol it was asked to speak.
async fn upstream(certified: &CertifiedKey<KeyPair>, protocols: &[&str]) -> Upstream {
    let acceptor = acceptor(certified, protocols);
    Upstream::start(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(peer.stream).await else {
                return;
            };
            http2::serve(stream).await;
        }
    })
    .await
}

fn get(upstream: &Upstream) -> Request<Full<Bytes>> {
    let url = format!("https://{}/", upstream.address);
    Request::get(url).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_accepted_and_the_connection_used_again() {
    let certified = authority();
    let upstream = upstream(&certified, &["h2", "http/1.1"]).await;
    let client = Client::new(trusting(certified.cert.der()));
    for _ in 0..2 {
        let response = client.call(get(&upstream)).await.unwrap();
        assert_eq!(text(response).await, "HTTP/1.1");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn http2_is_spoken_over_tls_when_asked_for() {
    let certified = authority();
    let upstream = upstream(&certified, &["h2", "http/1.1"]).await;
    let client = Client::new(trusting(certified.cert.der()));
    let mut request = get(&upstream);
    request.extensions_mut().insert(HttpVersion::Http2);
    assert_eq!(text(client.call(request).await.unwrap()).await, "HTTP/2.0");
}

#[tokio::test]
async fn an_upstream_without_http2_is_not_spoken_to_in_another_protocol() {
    let certified = authority();
    for protocols in [&["http/1.1"][..], &[]] {
        let upstream = upstream(&certified, protocols).await;
        let config = ClientConfig {
            version: HttpVersion::Http2,
            ..trusting(certified.cert.der())
        };
        let error = Client::new(config).call(get(&upstream)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
        assert!(!error.is_sent());
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_before_anything_is_sent() {
    let upstream = upstream(&authority(), &[]).await;
    let client = Client::new(trusting(authority().cert.der()));
    let error = client.call(get(&upstream)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(!error.is_sent());
}

#[tokio::test]
async fn a_client_that_trusts_nobody_refuses_https() {
    let upstream = upstream(&authority(), &[]).await;
    let config = ClientConfig {
        system_roots: false,
        ..ClientConfig::default()
    };
    let error = Client::new(config).call(get(&upstream)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}
