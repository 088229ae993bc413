//! Before the request line: how a listener encrypts, as data.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::Secret;

/// Encryption of a listener's connections. Without it they are in clear text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListenerTls {
    /// The certificates shown to clients. The name a client asks for picks one: an exact name before a
    /// wildcard. The first is shown to a client that asks for no name, or for one no certificate has.
    pub certificates: Vec<ServerCertificate>,
    /// The oldest version of TLS spoken, by default `1.2`.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// The protocols offered, the preferred one first; by default `h2` and `http/1.1`. A client that does
    /// not negotiate is spoken to in HTTP/1.1.
    #[serde(default = "both")]
    pub alpn: Vec<AlpnProtocol>,
    /// Certificates asked of clients. Without it none are.
    #[serde(default)]
    pub client_certificates: Option<ClientCertificates>,
}

impl ListenerTls {
    /// Shows these certificates, with default settings.
    #[must_use]
    pub fn new(certificates: Vec<ServerCertificate>) -> Self {
        Self {
            certificates,
            min_version: TlsVersion::default(),
            alpn: both(),
            client_certificates: None,
        }
    }
}

/// A certificate with its private key, both in PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerCertificate {
    /// The certificate, followed by those that lead from it to the root: `{file: path}`, or the PEM itself.
    pub certificate: Secret,
    /// Its private key (PKCS#8, SEC1 or PKCS#1, not encrypted): `{file: path}`, or the PEM itself.
    pub key: Secret,
}

impl ServerCertificate {
    /// A certificate and its key, both in PEM.
    #[must_use]
    pub const fn new(certificate: Secret, key: Secret) -> Self {
        Self { certificate, key }
    }
}

impl PartialEq for ServerCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.certificate.expose() == other.certificate.expose()
            && self.key.expose() == other.key.expose()
    }
}

/// A version of TLS, written `1.2` or `1.3`, with or without quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl<'de> Deserialize<'de> for TlsVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Version)
    }
}

impl JsonSchema for TlsVersion {
    fn schema_name() -> Cow<'static, str> {
        "TlsVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A version of TLS.", "enum": ["1.2", "1.3", 1.2, 1.3]})
    }
}

struct Version;

impl Visitor<'_> for Version {
    type Value = TlsVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version of TLS: `1.2` or `1.3`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<TlsVersion, E> {
        match text {
            "1.2" => Ok(TlsVersion::Tls12),
            "1.3" => Ok(TlsVersion::Tls13),
            _ => Err(E::custom("not a version of TLS\nwrite `1.2` or `1.3`")),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<TlsVersion, E> {
        // YAML takes it for a number; its shortest decimal form is what was written.
        self.visit_str(&number.to_string())
    }
}

/// A protocol offered during the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum AlpnProtocol {
    /// HTTP/2.
    #[serde(rename = "h2")]
    H2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http11,
}

impl AlpnProtocol {
    /// Its name during the handshake.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
        }
    }
}

fn both() -> Vec<AlpnProtocol> {
    vec![AlpnProtocol::H2, AlpnProtocol::Http11]
}

/// Certificates asked of clients.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClientCertificates {
    /// What happens to a client without one, by default `required`.
    #[serde(default)]
    pub mode: ClientCertificateMode,
    /// The authorities whose certificates are accepted, in PEM: each `{file: path}` of at most 64 KiB, or
    /// the PEM itself. No others are, those of the system included.
    pub certificate_authorities: Vec<Secret>,
}

impl ClientCertificates {
    /// Asks for certificates of these authorities, in PEM.
    #[must_use]
    pub const fn new(mode: ClientCertificateMode, authorities: Vec<Secret>) -> Self {
        Self {
            mode,
            certificate_authorities: authorities,
        }
    }
}

impl PartialEq for ClientCertificates {
    fn eq(&self, other: &Self) -> bool {
        let ours = self.certificate_authorities.iter().map(Secret::expose);
        let theirs = other.certificate_authorities.iter().map(Secret::expose);
        self.mode == other.mode && ours.eq(theirs)
    }
}

/// What happens to a client without a certificate. One with a certificate that does not hold is refused
/// in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ClientCertificateMode {
    /// It is refused.
    #[default]
    Required,
    /// It comes in without an identity.
    Optional,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Pointer, decode};

    #[test]
    fn a_version_is_written_with_or_without_quotes() {
        let read = |value| decode::<TlsVersion>(&value, &Pointer::root()).ok();
        assert_eq!(read(json!("1.2")), Some(TlsVersion::Tls12));
        assert_eq!(read(json!(1.3)), Some(TlsVersion::Tls13));
        for other in [json!(1.1), json!("1.0"), json!("TLS1.2"), json!(1)] {
            assert_eq!(read(other), None);
        }
    }
}
