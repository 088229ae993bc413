//! Before the request line: the `static` backend, as configuration writes it.

use portcullis_core::backend::{BalanceConfig, HealthConfig};
use portcullis_core::config::{Duration, PolicyEntry, Transport};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::backend::relay::{ForwardedHeadersConfig, UpgradeProtocol};
use crate::backend::retry::HttpRetryConfig;

/// The largest weight of an endpoint.
pub(super) const MAX_WEIGHT: u32 = 1_000_000;

/// A reverse proxy to one `host`, or to several `endpoints`. Path, query, headers and bodies go on as they
/// came, but for the headers that end at a proxy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaticConfig {
    /// The upstream: `10.0.0.5:8080`, `app.internal`, `[::1]:8080`. Default port: 80, with TLS 443.
    pub host: Option<String>,
    /// Several upstreams that serve the same.
    #[serde(default)]
    pub endpoints: Vec<EndpointConfig>,
    /// How they share the calls. Default: `powerOfTwoChoices`.
    #[serde(default)]
    pub balance: BalanceConfig,
    /// Further attempts after one that failed. Default: none.
    pub retry: Option<HttpRetryConfig>,
    /// How connections are made. `{tls: {}}` is TLS with the system's certificate authorities,
    /// `{http: http2}` HTTP/2 in clear. Default: HTTP/1.1 in clear.
    #[serde(default)]
    pub transport: Transport,
    /// What the upstream is told in `Host`. Default: `caller`.
    #[serde(default)]
    pub host_header: HostHeader,
    /// `x-forwarded-for` and its like. Default: the caller's address is added.
    #[serde(default)]
    pub forwarded_headers: ForwardedHeadersConfig,
    /// When an endpoint is taken out for failing. Only where there are several.
    #[serde(default)]
    pub health: HealthConfig,
    /// What connections may be upgraded to. `[]` for nothing. Default: `[websocket]`.
    #[serde(default = "websocket")]
    pub upgrades: Vec<UpgradeProtocol>,
    /// How long an upgraded connection may be silent in both directions before it is closed. Default: 5 min.
    #[serde(default = "five_minutes")]
    pub upgrade_idle_timeout: Duration,
}

/// One of several upstreams.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointConfig {
    /// Its name or address, perhaps with a port.
    pub host: String,
    /// Its port, unless `host` has one. Default: 80, with TLS 443.
    pub port: Option<u16>,
    /// Its share of the calls, relative to the other weights; 0 drains it. At most 1000000. Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Policies of this endpoint. They run for every attempt and replace the backend's of one name.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
}

/// What the upstream is told in `Host`, or `:authority`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HostHeader {
    /// What the caller said, as in the Gateway API.
    #[default]
    Caller,
    /// The host and port of the endpoint.
    Upstream,
}

pub(in crate::backend) fn websocket() -> Vec<UpgradeProtocol> {
    vec![UpgradeProtocol::Websocket]
}

pub(in crate::backend) fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn one() -> u32 {
    1
}
