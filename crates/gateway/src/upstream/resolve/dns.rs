//! Upstream client: names looked up by DNS, with the times its answers hold.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
};
use portcullis_core::config::{ConfigError, Pointer, TransportDns};
use tokio::sync::OnceCell;

use super::ask::{Answer, Failure};

/// One try at one server.
const TRY: Duration = Duration::from_secs(2);

/// DNS servers. The files of the system are read at the first question.
pub(super) struct Servers {
    /// Those to ask; none: those of the system.
    servers: Vec<SocketAddr>,
    resolver: OnceCell<TokioResolver>,
}

impl Servers {
    pub(super) fn wanted(wanted: &TransportDns) -> Result<Self, ConfigError> {
        if wanted.min_ttl > wanted.max_ttl {
            let at = Pointer::root().key("minTtl");
            return Err(ConfigError::new(at, "more than `maxTtl`"));
        }
        let read = |(at, text): (usize, &String)| {
            server(text).ok_or_else(|| {
                let at = Pointer::root().key("servers").index(at);
                ConfigError::new(at, "not an IP address with or without a port")
                    .hint("as in `10.0.0.53`, `10.0.0.53:5353` or `[fd00::53]:53`")
            })
        };
        let servers: Result<_, _> = wanted.servers.iter().enumerate().map(read).collect();
        Ok(Self {
            servers: servers?,
            resolver: OnceCell::new(),
        })
    }

    pub(super) async fn ask(&self, host: &str) -> Result<Answer, Failure> {
        let resolver = self.resolver.get_or_try_init(|| async { self.open() });
        let resolver = resolver.await.map_err(failure)?;
        let found = resolver.lookup_ip(host).await.map_err(failure)?;
        let ttl = found.valid_until();
        let ttl = ttl.saturating_duration_since(std::time::Instant::now());
        Answer::of(found.iter().collect(), ttl)
    }

    fn open(&self) -> Result<TokioResolver, NetError> {
        let mut builder = if self.servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = self.servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            let provider = TokioRuntimeProvider::default();
            let mut options = ResolverOpts::default();
            options.timeout = TRY;
            TokioResolver::builder_with_config(config, provider).with_options(options)
        };
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Always;
        // What is remembered is remembered by us, under the bounds of the configuration.
        options.cache_size = 0;
        builder.build()
    }
}

fn server(text: &str) -> Option<SocketAddr> {
    let alone = |text: &str| text.parse::<IpAddr>().ok();
    text.parse()
        .ok()
        .or_else(|| Some(SocketAddr::new(alone(text)?, 53)))
}

fn name_server(at: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = connections.map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, connections.into())
}

fn failure(error: NetError) -> Failure {
    let why = error.to_string();
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Failure {
            is_final: true,
            ttl: Duration::from_secs(none.negative_ttl.unwrap_or(0).into()),
            ..Failure::passing("the name does not exist or has no address")
        },
        _ => Failure::passing(why),
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Servers").field(&self.servers).finish()
    }
}
