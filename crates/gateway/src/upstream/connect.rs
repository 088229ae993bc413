//! Upstream client: from an origin to an open byte stream, along the way its requests want.

use std::{net::SocketAddr, time::Duration};

use http::uri::{Authority, Scheme};
use portcullis_core::upstream::AddressCheck;
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};

use super::{
    BoxError, ClientError, ErrorKind,
    pool::Origin,
    proxy::{Proxy, tunnel},
    race::first_to_accept,
    resolve::Resolver,
    stream::{Io, Stream},
    tls::{Offer, Tls},
    way::{Terms, Via},
};

/// Opens connections: looks names up, checks and tries addresses, passes proxies, shakes hands.
#[derive(Debug)]
pub(super) struct Connector {
    tls: Tls,
    resolver: Resolver,
}

/// What to connect to, and under which conditions.
struct Target<'a> {
    https: bool,
    host: &'a str,
    port: u16,
    terms: &'a Terms,
    tls: &'a Tls,
    resolver: &'a Resolver,
}

impl Connector {
    pub(super) fn new(tls: Tls) -> Self {
        Self {
            tls,
            resolver: Resolver::system(),
        }
    }

    pub(super) async fn connect(
        &self,
        origin: &Origin,
        offer: Offer,
        limit: Duration,
    ) -> Result<Stream, ClientError> {
        let late = |elapsed: Elapsed| {
            ClientError::unsent(ErrorKind::ConnectTimeout, BoxError::from(elapsed))
        };
        let target = self.target(origin);
        let open = async {
            let stream = target.open().await?;
            target.secure(stream, offer).await
        };
        timeout(limit, open).await.map_err(late)?
    }

    fn target<'a>(&'a self, origin: &'a Origin) -> Target<'a> {
        let https = *origin.scheme() == Scheme::HTTPS;
        let usual = if https { 443 } else { 80 };
        let way = origin.terms().way.as_deref();
        Target {
            https,
            host: origin.authority().host().trim_matches(['[', ']']),
            port: origin.authority().port_u16().unwrap_or(usual),
            terms: origin.terms(),
            tls: way.and_then(|way| way.tls.as_ref()).unwrap_or(&self.tls),
            resolver: way
                .and_then(|way| way.resolver.as_ref())
                .unwrap_or(&self.resolver),
        }
    }
}

impl Target<'_> {
    /// A stream to the origin itself, before any TLS with it.
    async fn open(&self) -> Result<Stream, ClientError> {
        let check = self.terms.check.as_ref();
        match self.terms.way.as_deref().map(|way| &way.via) {
            None | Some(Via::Nothing) => self.reach(self.host, self.port, check).await,
            Some(Via::Unix(_)) if check.is_some() => {
                let why = "a unix socket has no address that could be checked";
                Err(refused(BoxError::from(why)))
            }
            Some(Via::Unix(path)) => unix(path).await,
            Some(Via::Proxies(proxies)) => match proxies.of(self.https, self.host) {
                None => self.reach(self.host, self.port, check).await,
                Some(proxy) => self.through(proxy, check).await,
            },
        }
    }

    /// The first address of a host that passes the check and accepts.
    async fn reach(
        &self,
        host: &str,
        port: u16,
        check: Option<&AddressCheck>,
    ) -> Result<Stream, ClientError> {
        let addresses = self.addresses(host, port, check).await?;
        let failed = |error| ClientError::unsent(ErrorKind::Connect, BoxError::from(error));
        let first: Option<std::io::Result<TcpStream>> = first_to_accept(&addresses).await;
        let tcp = first
            .expect("there is an address, or looking up has failed")
            .map_err(failed)?;
        // Failing to switch off Nagle's algorithm only costs time.
        let _ = tcp.set_nodelay(true);
        Ok(Stream::Plain(tcp))
    }

    /// The addresses of a host that pass the check; at least one.
    async fn addresses(
        &self,
        host: &str,
        port: u16,
        check: Option<&AddressCheck>,
    ) -> Result<Vec<SocketAddr>, ClientError> {
        let mut addresses = self.resolver.resolve(host, port).await?;
        let Some(check) = check else {
            return Ok(addresses);
        };
        let mut first = None;
        addresses.retain(|address| match check.check(*address) {
            Ok(()) => true,
            Err(why) => {
                first.get_or_insert(why);
                false
            }
        });
        match first {
            Some(why) if addresses.is_empty() => Err(refused(BoxError::from(why))),
            _ => Ok(addresses),
        }
    }

    /// A tunnel through a proxy. The proxy is given the name, unless addresses have to be checked: then
    /// it is given one address that passed after the other.
    async fn through(
        &self,
        proxy: &Proxy,
        check: Option<&AddressCheck>,
    ) -> Result<Stream, ClientError> {
        if check.is_none() {
            return tunnel(self.to(proxy).await?, proxy, self.named()).await;
        }
        let mut last = None;
        for address in self.addresses(self.host, self.port, check).await? {
            let numbered = address.to_string().parse();
            let numbered = numbered.expect("an address with a port is an authority");
            match tunnel(self.to(proxy).await?, proxy, numbered).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is an address, or looking up has failed"))
    }

    async fn to(&self, proxy: &Proxy) -> Result<Stream, ClientError> {
        let stream = self.reach(&proxy.host, proxy.port, None).await;
        let stream = stream.map_err(|error| error.at_proxy())?;
        let Some(tls) = &proxy.tls else {
            return Ok(stream);
        };
        let stream = Box::pin(tls.handshake(stream, &proxy.host, Offer::Http1)).await;
        let stream = stream.map_err(|error| error.at_proxy())?;
        Ok(Stream::Other(Box::new(stream)))
    }

    fn named(&self) -> Authority {
        let text = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        text.parse().expect("the host and port of an authority")
    }

    /// The same stream with TLS on it, if the origin wants it.
    async fn secure(&self, stream: Stream, offer: Offer) -> Result<Stream, ClientError> {
        if !self.https {
            return Ok(stream);
        }
        match stream {
            Stream::Plain(tcp) => {
                let tls = self.tls.handshake(tcp, self.host, offer).await?;
                Ok(Stream::Tls(Box::new(tls)))
            }
            other => {
                let other: Box<dyn Io> = Box::new(other);
                let tls = Box::pin(self.tls.handshake(other, self.host, offer)).await?;
                Ok(Stream::OtherTls(Box::new(tls)))
            }
        }
    }
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> Result<Stream, ClientError> {
    let failed = |error| ClientError::unsent(ErrorKind::Connect, BoxError::from(error));
    let socket = tokio::net::UnixStream::connect(path)
        .await
        .map_err(failed)?;
    Ok(Stream::Other(Box::new(socket)))
}

#[cfg(not(unix))]
async fn unix(_: &std::path::Path) -> Result<Stream, ClientError> {
    let why = "there are no unix sockets on this system";
    Err(ClientError::unsent(ErrorKind::Connect, BoxError::from(why)))
}

fn refused(why: BoxError) -> ClientError {
    ClientError::unsent(ErrorKind::AddressRefused, why)
}
