//! TLS before a proxy: a certificate made for the occasion, and both ends of the handshake.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// What is spoken above TLS, by both proxies.
const ALPN: &[u8] = b"http/1.1";

/// A certificate of an ECDSA key on P-256 for the loopback address, in files as long as this lives.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Certificate {
    /// Makes one, signed by itself.
    ///
    /// # Errors
    ///
    /// When there is no room for its files.
    pub fn make() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let this = Self(TempDir::new()?);
        let [certificate, key] = this.files();
        fs::write(certificate, made.cert.pem())?;
        fs::write(key, made.signing_key.serialize_pem())?;
        Ok(this)
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    /// Where it is, and where its key is.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.path(), self.0.path().join("key.pem")]
    }
}

/// A server that shows the certificate in a file; for the rest as rustls has it by default.
///
/// # Errors
///
/// When a file does not hold what it should.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let key = PrivateKeyDer::from_pem_file(key).context("no private key")?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![read(certificate)?], key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config).into())
}

/// A client that trusts the certificate in a file, and shakes hands in full each time.
///
/// # Errors
///
/// When there is no certificate in the file.
pub fn client(certificate: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(read(certificate)?)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

fn read(certificate: &Path) -> Result<CertificateDer<'static>> {
    CertificateDer::from_pem_file(certificate).context("no certificate")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use tokio_rustls::TlsConnector;

    use super::*;

    #[tokio::test]
    async fn both_ends_agree_on_http_1_1_and_the_client_trusts_the_certificate() {
        let certificate = Certificate::make().unwrap();
        let [shown, key] = certificate.files();
        let (server, client) = tokio::io::duplex(16 << 10);
        let accepted = acceptor(&shown, &key).unwrap().accept(server);
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(super::client(&shown).unwrap());
        let (server, client) = tokio::join!(accepted, connector.connect(name, client));
        assert_eq!(server.unwrap().get_ref().1.alpn_protocol(), Some(ALPN));
        assert_eq!(client.unwrap().get_ref().1.alpn_protocol(), Some(ALPN));
    }
}
