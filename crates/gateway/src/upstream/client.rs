//! Upstream client: from a request with an absolute URI to the response of its origin.

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body::Body;
use portcullis_core::upstream::{AddressCheck, Transport};

use super::{
    BoxError, ClientConfig, ClientError, ErrorKind, HttpVersion, ResponseBody, Stats, Timeouts,
    auto,
    connect::Connector,
    h1, h2,
    pool::{Key, Origin, Pool},
    request::RequestBody,
    tls::Tls,
    upgrade::{self, Upgrade, Upgraded},
    way::{Limits, Terms, Transports, Way},
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
    transports: Transports,
    way: Option<Arc<Way>>,
}

impl Client {
    /// A client without connections. Opens and reads nothing before the first request.
    pub fn new(config: ClientConfig) -> Self {
        let transports = Transports::new();
        let system = config.system_roots.then(|| transports.roots().clone());
        let limits = Limits::plain(config.idle_per_origin, config.idle_timeout);
        Self(Arc::new(Shared {
            pool: Arc::new(Pool::new(limits)),
            connector: Connector::new(Tls::new(system, config.extra_roots)),
            max_head_bytes: config.max_head_bytes,
            version: config.version,
            timeouts: config.timeouts,
            way: config.transport.and_then(Transport::made),
            transports,
        }))
    }

    /// What makes the [`Transport`]s of requests.
    pub fn transports(&self) -> &Transports {
        &self.0.transports
    }

    /// Sends a request and waits for the head of the response; interim (1xx) responses are skipped.
    ///
    /// The URI must be absolute, `http` or `https`, without user info. `Host` is set from it and an
    /// existing one replaced. The extensions [`Timeouts`], [`Transport`] and [`HttpVersion`] override the
    /// client's; an [`AddressCheck`] says which addresses may be dialled. The request is sent a second
    /// time only if the connection, which the upstream may have closed while it was idle, had not accepted
    /// any of it, or if the upstream says by HTTP/2 that it has not begun with it.
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
        // Boxed, because it is handed from one future to the next and would make each of them larger.
        let request = Box::new(request.map(RequestBody::new));
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
    async fn exchange(
        &self,
        mut request: Box<Request<RequestBody>>,
    ) -> Result<Response<ResponseBody>, ClientError> {
        let extensions = request.extensions_mut();
        let timeouts = extensions.remove::<Timeouts>().unwrap_or(self.timeouts);
        let wanted = extensions.remove::<HttpVersion>();
        let upgrade = extensions.remove::<Upgrade>().is_some();
        let terms = self.terms(&mut request)?;
        let usual = || terms.way.as_ref().map_or(self.version, |way| way.version);
        let version = wanted.unwrap_or_else(usual);
        if upgrade {
            return Box::pin(upgrade::exchange(self, request, version, terms, timeouts)).await;
        }
        let origin = self.origin(&request, version, terms)?;
        match version {
            HttpVersion::Http1 => h1::exchange(self, origin, request, timeouts).await,
            // Boxed to keep the future of the usual case small.
            HttpVersion::Http2 => Box::pin(h2::exchange(self, origin, *request, timeouts)).await,
            HttpVersion::Auto => Box::pin(auto::exchange(self, origin, request, timeouts)).await,
        }
    }

    /// How a request wants its upstream reached.
    pub(super) fn terms<B>(&self, request: &mut Request<B>) -> Result<Terms, ClientError> {
        let extensions = request.extensions_mut();
        Ok(Terms {
            way: match extensions.remove::<Transport>() {
                Some(transport) => Some(transport.made().ok_or_else(foreign)?),
                None => self.way.clone(),
            },
            check: extensions.remove::<AddressCheck>(),
        })
    }

    /// The connections to where a request goes.
    pub(super) fn origin<B>(
        &self,
        request: &Request<B>,
        version: HttpVersion,
        terms: Terms,
    ) -> Result<Arc<Origin>, ClientError> {
        Ok(self.pool.origin(&target(request, version, terms)?))
    }
}

fn foreign() -> ClientError {
    let why = "its transport was made for another client";
    ClientError::unsent(ErrorKind::Request, BoxError::from(why))
}

fn target<B>(request: &Request<B>, version: HttpVersion, terms: Terms) -> Result<Key, ClientError> {
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
        terms,
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
