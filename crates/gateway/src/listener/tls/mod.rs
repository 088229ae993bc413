//! The first stretch of the line: encryption of a listener's connections.
//!
//! The provider of cryptography is named here, so that what another crate of the process chose is left
//! alone and does not matter. Early data (0-RTT) is never accepted: it could be replayed.

mod certificate;
mod expiry;
mod identity;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use portcullis_core::config::{
    ClientCertificateMode, ClientCertificates, ConfigError, ListenerTls, Pointer, TlsVersion,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

pub(super) use certificate::Certificates;
pub use expiry::NotAfter;
pub(super) use expiry::{DAY, now, watch};
pub(super) use identity::Unreadable;
pub use identity::{ClientIdentity, SubjectAltName, TlsInfo};

/// Sessions of TLS 1.2 kept for clients that take no tickets.
const MAX_SESSIONS: usize = 4096;

/// How one listener encrypts.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificates: Arc<Certificates>,
    client: Option<ClientCertificates>,
    sessions: Sessions,
}

impl Tls {
    /// Reads and checks what is `wanted`, which stands at `at`. Sessions of `previous` can be resumed, unless
    /// clients are asked for other certificates now: a resumed session is not asked again.
    pub(super) fn build(
        wanted: &ListenerTls,
        at: &Pointer,
        previous: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let at_certificates = at.key("certificates");
        let certificates = Certificates::read(&wanted.certificates, &provider, &at_certificates)?;
        let certificates = Arc::new(certificates);
        let client = &wanted.client_certificates;
        let verifier = match client {
            Some(client) => verifier(client, &provider, &at.key("clientCertificates"))?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let sessions = match previous.filter(|previous| previous.client == *client) {
            Some(previous) => previous.sessions.clone(),
            None => Sessions::new(at)?,
        };
        let versions: &[&SupportedProtocolVersion] = match wanted.min_version {
            TlsVersion::Tls13 => &[&TLS13],
            _ => &[&TLS13, &TLS12],
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has cipher suites of both versions");
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificates.clone());
        let protocols = wanted.alpn.iter().map(|name| name.as_str().into());
        config.alpn_protocols = protocols.collect();
        config.session_storage = sessions.stored.clone();
        config.ticketer = sessions.tickets.clone();
        Ok(Self {
            config: Arc::new(config),
            certificates,
            client: client.clone(),
            sessions,
        })
    }
}

/// What lets clients resume: tickets, whose keys change every six hours, and sessions kept here for clients
/// of TLS 1.2 that take none.
#[derive(Clone)]
struct Sessions {
    tickets: Arc<dyn ProducesTickets>,
    stored: Arc<dyn StoresServerSessions>,
}

impl Sessions {
    fn new(at: &Pointer) -> Result<Self, ConfigError> {
        let tickets = aws_lc_rs::Ticketer::new();
        let tickets =
            tickets.map_err(|_| ConfigError::new(at, "there is no randomness for keys"))?;
        Ok(Self {
            tickets,
            stored: ServerSessionMemoryCache::new(MAX_SESSIONS),
        })
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

fn verifier(
    wanted: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
    at: &Pointer,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let at = at.key("certificateAuthorities");
    let mut roots = RootCertStore::empty();
    for (index, authorities) in wanted.certificate_authorities.iter().enumerate() {
        let at = at.index(index);
        for authority in certificate::chain(authorities.expose(), &at)? {
            let added = roots.add(authority);
            added.map_err(|_| ConfigError::new(&at, "an authority in it cannot be read"))?;
        }
    }
    if roots.is_empty() {
        let what = "there is no authority, so no client could come in";
        return Err(ConfigError::new(at, what));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match wanted.mode {
        ClientCertificateMode::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    let built = builder.build();
    built.map_err(|_| ConfigError::new(at, "the authorities cannot be used"))
}

/// What a client meets that asks for a name no listener here is for: an alert, and no certificate.
pub(super) fn refusing() -> Arc<ServerConfig> {
    #[derive(Debug)]
    struct Nobody;
    impl ResolvesServerCert for Nobody {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            None
        }
    }
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites of both versions");
    let builder = builder.with_no_client_auth();
    Arc::new(builder.with_cert_resolver(Arc::new(Nobody)))
}
