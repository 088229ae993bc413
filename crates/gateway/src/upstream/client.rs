//! Upstream client: from a request with an absolute URI to the response of its origin.

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body::Body;
use portcullis_core::upstream::AddressCheck;

use super::{
    BoxError, ClientConfig, ClientError, ErrorKind, HttpVersion, ResponseBody, Stats, Timeouts,
    connect::Connector,
    h1, h2,
    pool::{Checked, Key, Origin, Pool},
    request::RequestBody,
    tls::Tls,
    upgrade::{self, Upgrade, Upgraded},
};

/// An HTTP client with a pool of connections per origin.
///
/// Clones share connections and settings. When the last clone is dropped, idle connections close at
/// once and exchanges that are under way finish undisturbed.
///
/// ```no_run
/// # async fn run() -> Result<(), portcullis::upstream::ClientError> {
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use portcullis::upstream::{Client, ClientConfig};
///
/// let client = Client::new(ClientConfig::default());
/// let request = http::Request::post("http://127.0.0.1:8000/v1/chat/completions")
///     .body(Full::new(Bytes::from_static(b"{}")))
///     .expect("a valid request");
/// let response = client.call(request).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Shared>);

pub(super) struct Shared {
    pub(super) connector: Connector,
    pub(super) max_head_bytes: usize,
    pool: Arc<Pool>,
    version: HttpVersion,
    pub(super) timeouts: Timeouts,
}

impl Client {
    /// A client without connections. Opens and reads nothing before the first request.
    pub fn new(config: ClientConfig) -> Self {
        Self(Arc::new(Shared {
            pool: Arc::new(Pool::new(&config)),
            connector: Connector::new(Tls::new(config.system_roots, config.extra_roots)),
            max_head_bytes: config.max_head_bytes,
            version: config.version,
            timeouts: config.timeouts,
        }))
    }

    /// Sends a request and waits for the head of the response; interim (1xx) responses are skipped.
    ///
    /// The URI must be absolute, `http` or `https`, without user info. `Host` is set from it and an
    /// existing one replaced. The extensions [`Timeouts`] and [`HttpVersion`] override the
    /// client's. The request is sent a second time only if the connection, which the upstream may
    /// have closed while it was idle, had not accepted any of it.
    ///
    /// By [`NamedHost`](super::NamedHost) a request names another host than that of the URI, and by [`Upgrade`] it
    /// asks for the connection itself.
    ///
    /// Must be polled within a tokio runtime with I/O and time enabled. Dropping the future closes
    /// the connection (HTTP/1) or resets the stream (HTTP/2).
    ///
    /// # Errors
    ///
    /// All kinds but [`ErrorKind::IdleTimeout`]. A response of any status is not an error.
    pub fn call<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, ClientError>> + Send + use<B>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let shared = Arc::clone(&self.0);
        let request = request.map(RequestBody::new);
        async move { shared.exchange(request).await }
    }

    /// Opens a connection to the authority of the URI, by the rules and limits the request brings along, and
    /// sends nothing on it. `http` is plain TCP, `https` is TLS inside of it.
    ///
    /// # Errors
    ///
    /// Those of connecting: [`is_sent`](ClientError::is_sent) is always false.
    pub async fn connect(&self, request: Request<()>) -> Result<Upgraded, ClientError> {
        upgrade::connect(&self.0, request).await
    }

    /// How long it waits where a request does not say otherwise.
    pub fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    /// How many connections there are.
    pub fn stats(&self) -> Stats {
        self.0.pool.stats()
    }
}

impl Shared {
    /// The connections to where a request goes.
    pub(super) fn origin<B>(
        &self,
        request: &Request<B>,
        version: HttpVersion,
    ) -> Result<Arc<Origin>, ClientError> {
        Ok(self.pool.origin(&target(request, version)?))
    }

    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, ClientError> {
        let extensions = request.extensions_mut();
        let timeouts = extensions.remove::<Timeouts>().unwrap_or(self.timeouts);
        let version = extensions.remove::<HttpVersion>().unwrap_or(self.version);
        let upgrade = extensions.remove::<Upgrade>().is_some();
        if upgrade {
            let origin = self.origin(&request, HttpVersion::Http1)?;
            return Box::pin(upgrade::exchange(self, origin, request, timeouts)).await;
        }
        let origin = self.origin(&request, version)?;
        match version {
            HttpVersion::Http1 => h1::exchange(self, origin, request, timeouts).await,
            // Boxed to keep the future of the usual case small.
            HttpVersion::Http2 => Box::pin(h2::exchange(self, origin, request, timeouts)).await,
        }
    }
}

fn target<B>(request: &Request<B>, version: HttpVersion) -> Result<Key, ClientError> {
    let refuse = |why: &str| ClientError::unsent(ErrorKind::Request, BoxError::from(why));
    let uri = request.uri();
    let https = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        _ => return Err(refuse("the uri is not an absolute http or https uri")),
    };
    let authority = uri
        .authority()
        .ok_or_else(|| refuse("the uri has no host"))?;
    if authority.as_str().contains('@') {
        return Err(refuse("the uri has user info"));
    }
    Ok(Key {
        https,
        version,
        authority: authority.clone(),
        check: request.extensions().get::<AddressCheck>().map(Checked::new),
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
