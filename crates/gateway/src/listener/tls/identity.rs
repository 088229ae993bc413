//! The first stretch of the line: who a client is by the certificate it showed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::{ProtocolVersion, ServerConnection};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What was negotiated on an encrypted connection, and who the client is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version, as `1.3`.
    pub version: &'static str,
    /// The name the client asked for (SNI), in lower case.
    pub server_name: Option<Arc<str>>,
    /// Who the client is, if it showed a certificate. It was verified against the listener's own
    /// authorities during the handshake, or that of the session this one resumes.
    pub client: Option<ClientIdentity>,
}

/// Who a client is by its verified certificate.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// Its subject, as `CN=alice, O=Example`.
    pub subject: String,
    /// Its names, in order. Kinds of names not listed in [`SubjectAltName`] are left out.
    pub subject_alt_names: Vec<SubjectAltName>,
    /// SHA-256 over the certificate, in lower-case hexadecimal digits.
    pub fingerprint: String,
    /// The certificate and those the client sent along, in DER, its own first.
    pub chain: Vec<Bytes>,
}

/// A name of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectAltName {
    /// A host name.
    Dns(String),
    /// A URI, as `spiffe://example.org/app`.
    Uri(String),
    /// A mail address.
    Email(String),
    /// An IP address.
    Ip(IpAddr),
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// A client's certificate was verified and still cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of the client cannot be read")]
pub(in crate::listener) struct Unreadable;

impl TlsInfo {
    pub(in crate::listener) fn of(connection: &ServerConnection) -> Result<Self, Unreadable> {
        let chain = connection
            .peer_certificates()
            .filter(|chain| !chain.is_empty());
        let name = connection.server_name().map(str::to_ascii_lowercase);
        Ok(Self {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            server_name: name.map(Into::into),
            client: chain.map(ClientIdentity::read).transpose()?,
        })
    }
}

impl ClientIdentity {
    fn read(chain: &[CertificateDer<'_>]) -> Result<Self, Unreadable> {
        let (_, leaf) = X509Certificate::from_der(&chain[0]).map_err(|_| Unreadable)?;
        let names = leaf.subject_alternative_name().map_err(|_| Unreadable)?;
        let names = names
            .into_iter()
            .flat_map(|names| &names.value.general_names);
        Ok(Self {
            subject: leaf.subject().to_string(),
            subject_alt_names: names.filter_map(name).collect(),
            fingerprint: Sha256::digest(&chain[0])
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            chain: chain
                .iter()
                .map(|der| Bytes::copy_from_slice(der))
                .collect(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<SubjectAltName> {
    Some(match name {
        GeneralName::DNSName(name) => SubjectAltName::Dns((*name).to_owned()),
        GeneralName::URI(name) => SubjectAltName::Uri((*name).to_owned()),
        GeneralName::RFC822Name(name) => SubjectAltName::Email((*name).to_owned()),
        GeneralName::IPAddress(bytes) => SubjectAltName::Ip(match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok()?.into(),
            _ => <[u8; 16]>::try_from(*bytes).ok()?.into(),
        }),
        _ => return None,
    })
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("subject", &self.subject)
            .field("subject_alt_names", &self.subject_alt_names)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
