//! Upstream client: whose certificate is accepted, where it is not just that of the host asked for.

use std::{fmt, io, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;

use crate::upstream::BoxError;

/// A name a certificate may bear.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Host(ServerName<'static>),
    Uri(Box<str>),
}

/// Accepts a certificate by a rule of ours. That the other side has its key is checked under any rule.
pub(super) struct Verifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
}

enum Rule {
    /// It bears one of the names, and one of the roots vouches for it.
    BearerOf(Vec<Name>, RootCertStore),
    /// It may be anybody's.
    Anyone,
}

/// The certificate bears other names.
#[derive(Debug, thiserror::Error)]
#[error("the certificate bears none of the names in `subjectAltNames`")]
struct OtherNames;

/// The same error, without the wrapping of our own that does not read well.
pub(super) fn plainly(error: io::Error) -> BoxError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::InvalidCertificate(CertificateError::Other(_))) => OtherNames.into(),
        _ => error.into(),
    }
}

impl Verifier {
    pub(super) fn bearer_of(
        names: Vec<Name>,
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Arc<Self> {
        Arc::new(Self {
            rule: Rule::BearerOf(names, roots),
            algorithms,
        })
    }

    pub(super) fn anyone(algorithms: WebPkiSupportedAlgorithms) -> Arc<Self> {
        Arc::new(Self {
            rule: Rule::Anyone,
            algorithms,
        })
    }
}

impl Name {
    fn is_borne_by(&self, der: &CertificateDer<'_>, parsed: &ParsedCertificate<'_>) -> bool {
        match self {
            Self::Host(host) => verify_server_name(parsed, host).is_ok(),
            Self::Uri(uri) => EndEntityCert::try_from(der)
                .is_ok_and(|certificate| certificate.valid_uri_names().any(|name| *name == **uri)),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Rule::BearerOf(names, roots) = &self.rule else {
            return Ok(ServerCertVerified::assertion());
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        if names
            .iter()
            .any(|name| name.is_borne_by(end_entity, &parsed))
        {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::Other(OtherError(Arc::new(OtherNames))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rule {
            Rule::BearerOf(..) => "Verifier(bearer of a name)",
            Rule::Anyone => "Verifier(anyone)",
        })
    }
}
