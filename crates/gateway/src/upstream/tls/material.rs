//! Upstream client: certificates, keys and names as configuration has them, read and checked.

use std::sync::Arc;

use portcullis_core::config::{
    ClientCertificate, ConfigError, Pointer, Secret, SubjectAltName, SubjectAltNameType,
};
use rustls::{
    RootCertStore,
    client::ResolvesClientCert,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, DnsName, PrivateKeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::verify::Name;

/// All authorities in the texts.
pub(super) fn authorities(texts: &[Secret]) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for (at, text) in texts.iter().enumerate() {
        let at = Pointer::root().key("caCertificates").index(at);
        for certificate in certificates(text, &at)? {
            roots
                .add(certificate)
                .map_err(|e| ConfigError::new(&at, format!("not a certificate authority: {e}")))?;
        }
    }
    Ok(roots)
}

/// What the gateway shows of itself.
pub(super) fn identity(
    pair: Option<&ClientCertificate>,
) -> Result<Option<Arc<dyn ResolvesClientCert>>, ConfigError> {
    let Some(pair) = pair else { return Ok(None) };
    let at = Pointer::root().key("clientCertificate");
    let chain = certificates(&pair.certificate, &at.key("certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.expose().as_bytes())
        .map_err(|_| ConfigError::new(at.key("key"), "there is no private key in PEM in it"))?;
    let provider = aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            ConfigError::new(at.key("key"), "the key is not that of the certificate")
        }
        rustls::Error::General(_) => {
            ConfigError::new(at.key("key"), "the key is of a kind TLS does not use")
        }
        e => ConfigError::new(at.key("certificate"), e.to_string()),
    })?;
    Ok(Some(Arc::new(SingleCertAndKey::from(certified))))
}

/// The name the handshake shall bear.
pub(super) fn hostname(name: Option<&str>) -> Result<Option<ServerName<'static>>, ConfigError> {
    let Some(name) = name else { return Ok(None) };
    let read = ServerName::try_from(name.to_owned());
    let unfit = |_| ConfigError::new(Pointer::root().key("hostname"), "not a host name");
    read.map(Some).map_err(unfit)
}

/// The names of which a certificate must bear one.
pub(super) fn names(names: &[SubjectAltName]) -> Result<Vec<Name>, ConfigError> {
    let read = |(at, name)| {
        let at = Pointer::root().key("subjectAltNames").index(at);
        subject_alt_name(name).map_err(|e: ConfigError| e.under(&at))
    };
    names.iter().enumerate().map(read).collect()
}

fn subject_alt_name(name: &SubjectAltName) -> Result<Name, ConfigError> {
    let at = |key: &str| Pointer::root().key(key);
    match (name.kind, &name.hostname, &name.uri) {
        (SubjectAltNameType::Hostname, Some(host), None) => DnsName::try_from(host.clone())
            .map(|host| Name::Host(ServerName::DnsName(host)))
            .map_err(|_| {
                ConfigError::new(at("hostname"), "not a DNS name")
                    .hint("without wildcard: a certificate's own wildcards are matched against it")
            }),
        (SubjectAltNameType::Uri, None, Some(uri)) => uri
            .parse::<http::Uri>()
            .ok()
            .filter(|parsed| parsed.scheme().is_some())
            .map(|_| Name::Uri(uri.as_str().into()))
            .ok_or_else(|| {
                ConfigError::new(at("uri"), "not an absolute URI")
                    .hint("as in `spiffe://cluster.local/ns/llm/sa/vllm`")
            }),
        (SubjectAltNameType::Hostname, ..) => Err(ConfigError::new(
            Pointer::root(),
            "a name of type `Hostname` has the key `hostname` and no other",
        )),
        (SubjectAltNameType::Uri, ..) => Err(ConfigError::new(
            Pointer::root(),
            "a name of type `URI` has the key `uri` and no other",
        )),
    }
}

fn certificates(text: &Secret, at: &Pointer) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.expose().as_bytes()).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(ConfigError::new(at, "there is no certificate in PEM in it")
            .hint("a certificate begins with `-----BEGIN CERTIFICATE-----`")),
        Err(_) => Err(ConfigError::new(at, "the PEM in it is broken")),
    }
}
