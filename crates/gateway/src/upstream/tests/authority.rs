//! Certificates for whoever a test needs, and servers that show them.

use std::sync::Mutex;

use portcullis_core::{
    config::{ConfigError, Pointer, decode},
    upstream::Transport,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Somebody who signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

/// A certificate with its key.
pub(super) struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {}", NUMBER.fetch_add(1, SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate for these names; those with a colon are URIs.
    pub(super) fn sign(&self, names: &[&str]) -> Pair {
        self.sign_until(names, 2099)
    }

    pub(super) fn sign_until(&self, names: &[&str], year: i32) -> Pair {
        let (uris, hosts): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| name.contains(':'));
        let hosts: Vec<_> = hosts.into_iter().map(ToOwned::to_owned).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        for uri in uris {
            let name = SanType::URI(uri.try_into().unwrap());
            params.subject_alt_names.push(name);
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate, key }
    }

    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

impl Pair {
    pub(super) fn pem(&self) -> Value {
        serde_json::json!({"certificate": self.certificate.pem(), "key": self.key.serialize_pem()})
    }
}

/// How a server speaks TLS.
pub(super) struct Serving<'a> {
    pub(super) pair: Pair,
    pub(super) protocols: &'a [&'a str],
    pub(super) versions: &'a [&'static SupportedProtocolVersion],
    /// Who must have signed the certificates of clients.
    pub(super) clients: Option<&'a Authority>,
}

impl Serving<'static> {
    pub(super) fn with(pair: Pair) -> Self {
        Self {
            pair,
            protocols: &["h2", "http/1.1"],
            versions: rustls::ALL_VERSIONS,
            clients: None,
        }
    }
}

impl Serving<'_> {
    pub(super) fn acceptor(self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(self.pair.key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let config = match self.clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![self.pair.certificate.der().clone()];
        let mut config = config.with_single_cert(chain, key).unwrap();
        let protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec());
        config.alpn_protocols = protocols.collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A server that answers with the version spoken, and remembers the names asked for.
    pub(super) async fn start(self) -> (Upstream, Arc<Mutex<Vec<String>>>) {
        let acceptor = self.acceptor();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&asked);
        let upstream = Upstream::start(move |peer| {
            let (acceptor, names) = (acceptor.clone(), Arc::clone(&names));
            async move {
                let Ok(stream) = acceptor.accept(peer.stream).await else {
                    return;
                };
                let name = stream.get_ref().1.server_name().unwrap_or("").to_owned();
                names.lock().unwrap().push(name);
                http2::serve(stream).await;
            }
        })
        .await;
        (upstream, asked)
    }
}

/// What a client makes of a transport as configuration writes it.
pub(super) fn transport(client: &Client, wanted: &Value) -> Result<Transport, ConfigError> {
    let wanted = decode(wanted, &Pointer::root())?;
    client.transports().make(&wanted)
}

/// A request that is to go a certain way.
pub(super) fn by(client: &Client, url: &str, wanted: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::get(url).body(Full::default()).unwrap();
    let transport = transport(client, wanted).unwrap();
    request.extensions_mut().insert(transport);
    request
}

/// The error and its causes, in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
