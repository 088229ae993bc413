//! The first stretch of the line: the certificates of a listener, and which of them a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_core::config::{ConfigError, Pointer, ServerCertificate};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Names longer than this are not told apart in metrics.
const MAX_LABEL: usize = 128;

/// One certificate with its key.
#[derive(Debug)]
pub(in crate::listener) struct Certificate {
    /// What metrics and logs call it: its first name.
    pub(in crate::listener) label: Arc<str>,
    /// When it begins and ends to hold, in unix seconds.
    pub(in crate::listener) validity: (i64, i64),
    /// SHA-256 over it.
    pub(in crate::listener) fingerprint: [u8; 32],
    names: Vec<Box<str>>,
    key: Arc<CertifiedKey>,
}

impl Certificate {
    fn read(
        wanted: &ServerCertificate,
        provider: &CryptoProvider,
        at: &Pointer,
    ) -> Result<Self, ConfigError> {
        let at_chain = at.key("certificate");
        let chain = chain(wanted.certificate.expose(), &at_chain)?;
        let key = private_key(wanted.key.expose(), &at.key("key"))?;
        let leaf = &chain[0];
        let (_, parsed) = X509Certificate::from_der(leaf)
            .map_err(|_| ConfigError::new(&at_chain, "the first certificate cannot be read"))?;
        let names = names(&parsed);
        let label = names
            .first()
            .map_or_else(|| common_name(&parsed), |n| n.to_string());
        let validity = parsed.validity();
        let validity = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        let fingerprint = Sha256::digest(leaf).into();
        let key =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| unfit(&error, at))?;
        Ok(Self {
            label: label.chars().take(MAX_LABEL).collect::<String>().into(),
            validity,
            fingerprint,
            names,
            key: Arc::new(key),
        })
    }
}

/// Reads one or more certificates in PEM.
pub(super) fn chain(pem: &str, at: &Pointer) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if chain.is_empty() => Err(ConfigError::new(at, "there is no certificate in it")
            .hint("PEM begins with `-----BEGIN CERTIFICATE-----`")),
        Ok(chain) => Ok(chain),
        // What the parser says may repeat what it read.
        Err(_) => Err(ConfigError::new(
            at,
            "the PEM of the certificate is malformed",
        )),
    }
}

fn private_key(pem: &str, at: &Pointer) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        if pem.contains("ENCRYPTED") {
            return ConfigError::new(at, "the private key is encrypted")
                .hint("decrypt it, as with `openssl pkey -in FILE -out FILE`");
        }
        ConfigError::new(at, "there is no private key in it")
            .hint("PEM begins with `-----BEGIN PRIVATE KEY-----`")
    })
}

fn unfit(error: &rustls::Error, at: &Pointer) -> ConfigError {
    if matches!(error, rustls::Error::InconsistentKeys(_)) {
        let what = "the private key is not the one of the first certificate";
        let hint = "the certificate of the server itself comes first in its file";
        return ConfigError::new(at.key("key"), what).hint(hint);
    }
    ConfigError::new(at.key("key"), "the private key is of a kind not supported")
        .hint("use RSA of at least 2048 bits, ECDSA with P-256, P-384 or P-521, or Ed25519")
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            _ => None,
        });
    dns.collect()
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    let first = certificate.subject().iter_common_name().next();
    let text = first.and_then(|name| name.as_str().ok());
    text.unwrap_or("unnamed").to_owned()
}

/// The certificates of a listener, found by name.
#[derive(Debug)]
pub(in crate::listener) struct Certificates {
    all: Vec<Certificate>,
    /// By exact name, and by what follows the `*.` of a wildcard; in order.
    exact: HashMap<Box<str>, Vec<usize>>,
    wildcard: HashMap<Box<str>, Vec<usize>>,
}

impl Certificates {
    /// Reads all of them, which stand in a list at `at`.
    pub(super) fn read(
        wanted: &[ServerCertificate],
        provider: &CryptoProvider,
        at: &Pointer,
    ) -> Result<Self, ConfigError> {
        if wanted.is_empty() {
            return Err(ConfigError::new(at, "there is no certificate"));
        }
        let mut read = Self {
            all: Vec::with_capacity(wanted.len()),
            exact: HashMap::new(),
            wildcard: HashMap::new(),
        };
        for (index, wanted) in wanted.iter().enumerate() {
            read.add(Certificate::read(wanted, provider, &at.index(index))?);
        }
        Ok(read)
    }

    fn add(&mut self, mut certificate: Certificate) {
        let index = self.all.len();
        for name in &certificate.names {
            let (map, name) = match name.strip_prefix("*.") {
                Some(below) => (&mut self.wildcard, below),
                None => (&mut self.exact, &**name),
            };
            map.entry(name.into()).or_default().push(index);
        }
        if self
            .all
            .iter()
            .any(|other| other.label == certificate.label)
        {
            certificate.label = format!("{}#{index}", certificate.label).into();
        }
        self.all.push(certificate);
    }

    pub(in crate::listener) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.all.iter()
    }

    pub(in crate::listener) fn len(&self) -> usize {
        self.all.len()
    }

    /// Those for a name in lower case: by its exact name, else by a wildcard, which stands for one label.
    fn of(&self, name: &str) -> &[usize] {
        let wildcard = || self.wildcard.get(name.split_once('.')?.1);
        let found = self.exact.get(name).or_else(wildcard);
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether a connection whose client asked for `server_name` may carry a request for `host`: the
    /// certificate shown is valid for it, or no certificate here is.
    pub(in crate::listener) fn covers(&self, server_name: Option<&str>, host: &str) -> bool {
        let host = bare(host);
        if server_name == Some(&*host) || self.of(&host).is_empty() {
            return true;
        }
        let asked = server_name.map_or(&[][..], |name| self.of(name));
        let shown = if asked.is_empty() { &[0] } else { asked };
        let below = host.split_once('.').map(|(_, below)| below);
        shown.iter().any(|&index| {
            let mut names = self.all[index].names.iter();
            names.any(|name| match name.strip_prefix("*.") {
                Some(wildcard) => below == Some(wildcard),
                None => **name == *host,
            })
        })
    }
}

/// A request's host in lower case, without its port and trailing dot.
fn bare(host: &str) -> String {
    let digits = host.trim_end_matches(|c: char| c.is_ascii_digit());
    let host = digits.strip_suffix(':').unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let asked = name.as_deref().map_or(&[][..], |name| self.of(name));
        let shown = if asked.is_empty() { &[0] } else { asked };
        let fits = |index: &&usize| {
            let key = &self.all[**index].key.key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let index = shown.iter().find(fits).or(shown.first())?;
        Some(self.all[*index].key.clone())
    }
}
