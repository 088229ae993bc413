//! Before the request line: how connections to an endpoint are made, as data.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Duration, Pointer, Secret, TlsVersion};

/// How connections to an endpoint are made. Without any of it: HTTP/1.1, the system's certificate
/// authorities, the system's name lookup, no proxy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Transport {
    /// The version of HTTP spoken. Default: `http1`.
    pub http: HttpVersion,
    /// Who the endpoint must prove to be, and who the gateway is to it. Only for `https`.
    pub tls: Option<TransportTls>,
    /// A unix socket to connect to, by its path, instead of the host of the URL. The host is still what
    /// `Host` and the certificate's check say.
    pub unix: Option<PathBuf>,
    /// An HTTP proxy to go through by `CONNECT`, also for `http` URLs. Default: none, whatever the
    /// environment says.
    pub proxy: Option<TransportProxy>,
    /// Bounds on the connections kept to one host and port.
    pub pool: TransportPool,
    /// Ask DNS servers, and keep answers as long as these allow. `{}` asks those of `/etc/resolv.conf`.
    /// Default: the system's lookup, its answers kept for 10 s.
    pub dns: Option<TransportDns>,
}

impl Transport {
    /// Where it says that a certificate is not to be verified.
    pub fn unverified(&self) -> impl Iterator<Item = Pointer> {
        let root = Pointer::root();
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.tls.as_deref());
        let all = [
            (self.tls.as_ref(), root.key("tls")),
            (proxy, root.key("proxy").key("tls")),
        ];
        let unverified = |tls: &TransportTls| tls.insecure_skip_verify;
        all.into_iter()
            .filter(move |(tls, _)| tls.is_some_and(unverified))
            .map(|(_, at)| at.key("insecureSkipVerify"))
    }
}

/// The version of HTTP spoken with an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HttpVersion {
    /// HTTP/1.1: a connection for each call at a time.
    #[default]
    Http1,
    /// HTTP/2: many calls on each connection. Over TLS the endpoint must offer it; in clear it is spoken
    /// without asking.
    Http2,
    /// HTTP/2 where the endpoint offers it in the TLS handshake, else HTTP/1.1. In clear: HTTP/1.1.
    Auto,
}

/// TLS towards an endpoint. The names are those of Gateway API's `BackendTLSPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TransportTls {
    /// Certificate authorities to trust, in PEM; each may hold several. They replace those of the system,
    /// unless `wellKnownCACertificates` asks for these too. Default: those of the system.
    pub ca_certificates: Vec<Secret>,
    /// `System`: also trust the authorities of the system.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnown>,
    /// What the gateway shows an endpoint that asks who is calling.
    pub client_certificate: Option<ClientCertificate>,
    /// The name sent in the handshake (SNI), which the certificate must bear. Default: the host of the URL.
    pub hostname: Option<String>,
    /// Names of which the certificate must bear one; `hostname` is then sent, but not looked for.
    pub subject_alt_names: Vec<SubjectAltName>,
    /// The oldest version of TLS spoken. Default: 1.2.
    pub min_version: TlsVersion,
    /// Take any certificate from anybody, expired ones too. Whoever sits between can read and change every
    /// call, credentials included. For a cluster on a laptop; it is warned of at every build.
    pub insecure_skip_verify: bool,
}

/// Certificate authorities that need no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum WellKnown {
    /// Those of the operating system.
    System,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The certificate in PEM, followed by those that signed it.
    pub certificate: Secret,
    /// Its private key in PEM.
    pub key: Secret,
}

/// A name a certificate may bear: `{type: Hostname, hostname: …}` or `{type: URI, uri: …}`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubjectAltName {
    /// Which of the two it is.
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    /// The host name of a `Hostname`. A certificate for `*.example.com` bears `a.example.com`.
    pub hostname: Option<String>,
    /// The URI of a `URI`, compared as it is written: `spiffe://cluster.local/ns/llm/sa/vllm`.
    pub uri: Option<String>,
}

/// The kind of a name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SubjectAltNameType {
    /// A DNS name.
    Hostname,
    /// A URI, as SPIFFE identities are.
    #[serde(rename = "URI")]
    Uri,
}

/// An HTTP proxy on the way out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TransportProxy {
    /// Its URL without user name and password: `http://proxy:3128`, or `https://` to speak TLS with it.
    pub url: Option<String>,
    /// Use what `HTTPS_PROXY` (for `https`), `http_proxy` (for `http`) or `ALL_PROXY` and `NO_PROXY` say
    /// when the configuration is read, instead of `url` and `noProxy`.
    pub from_environment: bool,
    /// The user name for the proxy.
    pub username: Option<String>,
    /// The password for the proxy.
    pub password: Option<Secret>,
    /// Hosts reached without it: `internal.example`, `.example` or `*.example` for all under it, an IP
    /// address, a network like `10.0.0.0/8`, `*` for all.
    pub no_proxy: Vec<String>,
    /// TLS with the proxy itself, for an `https` one.
    pub tls: Option<Box<TransportTls>>,
}

/// Bounds on the connections to one host and port.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TransportPool {
    /// Connections open at once. A call that needs a further one waits, at most for the `connect` timeout,
    /// and is then answered 503 `upstream_busy`. Default: no bound for HTTP/1.1, 100 for HTTP/2.
    pub max_connections: Option<usize>,
    /// Calls that wait for a connection at once; a further one is answered 503 at once. Default: 1024.
    pub max_waiting: usize,
    /// Unused HTTP/1.1 connections kept. 0 uses none again. Default: 256.
    pub max_idle: usize,
    /// How long a connection stays open unused. Default: 90 s.
    pub idle_timeout: Duration,
    /// How long a connection takes new calls; those under way on it finish. Default: no bound.
    pub max_lifetime: Option<Duration>,
}

impl Default for TransportPool {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_waiting: 1024,
            max_idle: 256,
            idle_timeout: Duration::from_secs(90),
            max_lifetime: None,
        }
    }
}

/// Name lookup by DNS.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TransportDns {
    /// The servers to ask, as IP addresses with or without a port. Default: those of `/etc/resolv.conf`,
    /// with its search domains.
    pub servers: Vec<String>,
    /// An answer is kept at least so long, whatever its TTL. Default: 1 s.
    pub min_ttl: Duration,
    /// And at most so long. Default: 5 min.
    pub max_ttl: Duration,
    /// How long an answer past its time still serves while no server can be reached. Default: 5 min.
    pub serve_stale: Duration,
}

impl Default for TransportDns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
            serve_stale: Duration::from_secs(300),
        }
    }
}
