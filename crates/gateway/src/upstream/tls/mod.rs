//! Upstream client: TLS, with settings made at the first `https` request.

mod material;
mod verify;

use std::{fmt, io, sync::Arc};

use portcullis_core::config::{ConfigError, Pointer, TlsVersion, TransportTls};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OnceCell,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::verify::{Name, Verifier};
use super::{BoxError, ClientError, ErrorKind};

static SINCE_12: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// Makes TLS connections. Reading the roots of the system takes time and memory, so it waits until
/// somebody needs them.
pub(super) struct Tls {
    system: Option<SystemRoots>,
    /// Read at the first handshake.
    extra: Vec<CertificateDer<'static>>,
    /// Already read.
    roots: RootCertStore,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    /// What the handshake names instead of the host asked for.
    hostname: Option<ServerName<'static>>,
    /// The names of which the certificate must bear one; none: the one the handshake names.
    names: Vec<Name>,
    versions: &'static [&'static SupportedProtocolVersion],
    anyone: bool,
    settings: OnceCell<Settings>,
}

/// The certificate authorities of the system, read once for all that share them.
#[derive(Clone, Debug, Default)]
pub(super) struct SystemRoots(Arc<OnceCell<RootCertStore>>);

/// What a connection offers to speak, by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2,
    Either,
}

/// One setting for each offer. Roots, provider and remembered sessions are shared.
struct Settings {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(system: Option<SystemRoots>, extra: Vec<CertificateDer<'static>>) -> Self {
        Self {
            system,
            extra,
            roots: RootCertStore::empty(),
            identity: None,
            hostname: None,
            names: Vec::new(),
            versions: SINCE_12,
            anyone: false,
            settings: OnceCell::new(),
        }
    }

    /// As configuration wants it. Places in the error are relative to `wanted`.
    pub(super) fn wanted(wanted: &TransportTls, system: &SystemRoots) -> Result<Self, ConfigError> {
        let own = !wanted.ca_certificates.is_empty();
        let checks = own
            || wanted.well_known_ca_certificates.is_some()
            || !wanted.subject_alt_names.is_empty();
        if wanted.insecure_skip_verify && checks {
            let what = "any certificate is taken, so there is nothing left to check it against";
            return Err(
                ConfigError::new(Pointer::root().key("insecureSkipVerify"), what)
                    .hint("leave out this key, or the authorities and names beside it"),
            );
        }
        let uses_system = !own || wanted.well_known_ca_certificates.is_some();
        Ok(Self {
            system: uses_system.then(|| system.clone()),
            extra: Vec::new(),
            roots: material::authorities(&wanted.ca_certificates)?,
            identity: material::identity(wanted.client_certificate.as_ref())?,
            hostname: material::hostname(wanted.hostname.as_deref())?,
            names: material::names(&wanted.subject_alt_names)?,
            versions: match wanted.min_version {
                TlsVersion::Tls13 => ONLY_13,
                _ => SINCE_12,
            },
            anyone: wanted.insecure_skip_verify,
            settings: OnceCell::new(),
        })
    }

    pub(super) async fn handshake<S>(
        &self,
        stream: S,
        host: &str,
        offer: Offer,
    ) -> Result<TlsStream<S>, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let settings = self.settings.get_or_try_init(|| self.load());
        let settings = settings.await.map_err(failed)?;
        let config = match offer {
            Offer::Http1 => &settings.http1,
            Offer::Http2 => &settings.http2,
            Offer::Either => &settings.either,
        };
        let name = match &self.hostname {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(failed)?,
        };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| failed(verify::plainly(error)))?;
        if offer == Offer::Http2 && !is_http2(&stream) {
            return Err(failed(io::Error::other("upstream does not offer http/2")));
        }
        Ok(stream)
    }

    async fn load(&self) -> Result<Settings, BoxError> {
        let mut roots = self.roots.clone();
        for root in &self.extra {
            roots.add(root.clone())?;
        }
        if let Some(system) = self.system.as_ref().filter(|_| !self.anyone) {
            roots.extend(system.get().await?.roots.iter().cloned());
        }
        if roots.is_empty() && !self.anyone {
            return Err("no certificate authority to trust".into());
        }
        // The provider is named here so that the choice of another crate in the process is left
        // alone and does not matter.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = self.trust(roots, &provider)?;
        let mut config = match &self.identity {
            Some(identity) => config.with_client_cert_resolver(Arc::clone(identity)),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Settings::new(config))
    }

    fn trust(
        &self,
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<NeedsIdentity, BoxError> {
        let config = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(self.versions)?;
        let algorithms = provider.signature_verification_algorithms;
        let verifier = if self.anyone {
            Verifier::anyone(algorithms)
        } else if self.names.is_empty() {
            return Ok(config.with_root_certificates(roots));
        } else {
            Verifier::bearer_of(self.names.clone(), roots, algorithms)
        };
        Ok(config
            .dangerous()
            .with_custom_certificate_verifier(verifier))
    }
}

type NeedsIdentity = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

impl SystemRoots {
    async fn get(&self) -> Result<&RootCertStore, BoxError> {
        self.0.get_or_try_init(Self::read).await
    }

    async fn read() -> Result<RootCertStore, BoxError> {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
        for error in &found.errors {
            tracing::warn!(%error, "cannot read some of the system's certificate authorities");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        Ok(roots)
    }
}

impl Settings {
    /// Of a configuration that offers both versions.
    fn new(either: ClientConfig) -> Self {
        let (mut http1, mut http2) = (either.clone(), either.clone());
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            http1: Arc::new(http1),
            http2: Arc::new(http2),
            either: Arc::new(either),
        }
    }
}

/// Whether HTTP/2 was agreed on.
pub(super) fn is_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("system", &self.system.is_some())
            .field("hostname", &self.hostname)
            .field("names", &self.names)
            .field("anyone", &self.anyone)
            .finish_non_exhaustive()
    }
}

fn failed(source: impl Into<BoxError>) -> ClientError {
    ClientError::unsent(ErrorKind::Tls, source.into())
}
