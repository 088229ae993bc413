//! Upstream client: TLS, with settings made at the first `https` request.

use std::{fmt, io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{BoxError, ClientError, ErrorKind, HttpVersion};

/// Makes TLS connections. Reading the roots of the system takes time and memory, so it waits until
/// somebody needs them.
pub(super) struct Tls {
    system_roots: bool,
    extra_roots: Vec<CertificateDer<'static>>,
    settings: OnceCell<Settings>,
}

/// One setting for each protocol, which differ in what they offer by ALPN. Roots, provider and
/// remembered sessions are shared.
struct Settings {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(system_roots: bool, extra_roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            system_roots,
            extra_roots,
            settings: OnceCell::new(),
        }
    }

    pub(super) async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
        version: HttpVersion,
    ) -> Result<TlsStream<TcpStream>, ClientError> {
        let settings = self
            .settings
            .get_or_try_init(|| self.load())
            .await
            .map_err(failed)?;
        let config = match version {
            HttpVersion::Http1 => &settings.http1,
            HttpVersion::Http2 => &settings.http2,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(failed)?;
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await
            .map_err(failed)?;
        if version == HttpVersion::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(failed(io::Error::other("upstream does not offer http/2")));
        }
        Ok(stream)
    }

    async fn load(&self) -> Result<Settings, BoxError> {
        let mut roots = RootCertStore::empty();
        for root in &self.extra_roots {
            roots.add(root.clone())?;
        }
        if self.system_roots {
            let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await?;
            for error in &found.errors {
                tracing::warn!(%error, "cannot read some of the system's certificate authorities");
            }
            roots.add_parsable_certificates(found.certs);
        }
        if roots.is_empty() {
            return Err("no certificate authority to trust".into());
        }
        Settings::new(roots)
    }
}

impl Settings {
    fn new(roots: RootCertStore) -> Result<Self, BoxError> {
        // The provider is named here so that the choice of another crate in the process is left
        // alone and does not matter.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut http1 = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            http1: Arc::new(http1),
            http2: Arc::new(http2),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("system_roots", &self.system_roots)
            .finish_non_exhaustive()
    }
}

fn failed(source: impl Into<BoxError>) -> ClientError {
    ClientError::unsent(ErrorKind::Tls, source.into())
}
