//! The `forward` backend: a proxy to where each request says, within what the operator allows.

mod address;
mod destination;
mod rules;
mod service;

use std::sync::Arc;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Duration, Pointer, Transport};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::AddressCheck;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reach::Reach;
use super::relay::{Forwarded, ForwardedHeadersConfig, ForwardedMode, Relay, UpgradeProtocol, Via};
use super::retry::{self, HttpRetryConfig};
use super::static_::{five_minutes, websocket};

use rules::{Rule, Rules};
use service::ForwardService;

/// The backend `forward`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardBackend;

/// A forward proxy. The destination is the URI of the request's first line (`GET http://host/path`,
/// `CONNECT host:port`), or else `Host`. Redirects are the caller's to follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardConfig {
    /// Where it may go: `api.example.com:443`, `*.internal.example:*`, `10.0.0.0/8:8080`, `[fd00::/8]:443`,
    /// `*` for any name or public address. Without a port: 80 and 443. Addresses that are not of the public
    /// internet (private, loopback, link-local, metadata services and the like) are called only if they
    /// or their network stand here, whatever name leads to them.
    pub allow: Vec<String>,
    /// Exceptions, in the same form. Without a port: all ports.
    #[serde(default)]
    pub deny: Vec<String>,
    /// Open tunnels (`CONNECT`), whose content the gateway does not see. Default: true.
    #[serde(default = "yes")]
    pub connect: bool,
    /// How connections are made; `proxy` and `unix` have no meaning here. `https` destinations are spoken to
    /// in TLS with or without `tls`.
    #[serde(default)]
    pub transport: Transport,
    /// `x-forwarded-for` and its like. Default: they go on as the caller sent them.
    #[serde(default)]
    pub forwarded_headers: ForwardedHeadersConfig,
    /// What connections may be upgraded to. `[]` for nothing. Default: `[websocket]`.
    #[serde(default = "websocket")]
    pub upgrades: Vec<UpgradeProtocol>,
    /// How long a tunnel or an upgraded connection may be silent in both directions before it is closed.
    /// Default: 5 min.
    #[serde(default = "five_minutes")]
    pub upgrade_idle_timeout: Duration,
    /// Further attempts after one that failed, at the same destination. Default: none.
    pub retry: Option<HttpRetryConfig>,
}

fn yes() -> bool {
    true
}

impl Backend<Http> for ForwardBackend {
    const NAME: &'static str = "forward";
    type Config = ForwardConfig;

    fn service(
        &self,
        config: ForwardConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Http>, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        if config.allow.is_empty() {
            let what =
                "a forward proxy that may go nowhere: name a host, or `*` for the public internet";
            return Err(cx.error(&at("allow"), what));
        }
        let rules = Arc::new(Rules {
            allow: rules(&config.allow, Rule::allow, &at("allow"), cx)?,
            deny: rules(&config.deny, Rule::deny, &at("deny"), cx)?,
        });
        let forwarded = Forwarded::new(&config.forwarded_headers, ForwardedMode::Pass);
        let forwarded = forwarded
            .map_err(|(place, what)| cx.error(&at("forwardedHeaders").join(&place), what))?;
        let service = cx.http_endpoint(&[], &Pointer::root())?;
        let name = match &*cx.owner().name {
            "" => Self::NAME.into(),
            _ => cx.owner().name.clone(),
        };
        let mut way = reach(&config.transport, cx)?.way(service, name.clone());
        let checked = rules.clone();
        way.check = Some(AddressCheck::new(move |address| checked.address(address)));
        let service = Arc::new(ForwardService {
            relay: Relay {
                forwarded,
                upgrades: config.upgrades,
                idle: config.upgrade_idle_timeout.get(),
                via: Some(Via::make()),
            },
            way,
            rules,
            connect: config.connect,
        });
        let once = ArcService::from_fn(move |request| {
            let service = service.clone();
            async move { service.serve(request).await }
        });
        let Some(retry) = &config.retry else {
            return Ok(once);
        };
        let retrying = retry::alone(retry, name, once);
        retrying.map_err(|(key, what)| cx.error(&at("retry").key(key), what))
    }
}

fn rules(
    texts: &[String],
    read: fn(&str) -> Result<Rule, &'static str>,
    place: &Pointer,
    cx: &BuildContext<'_>,
) -> Result<Vec<Rule>, ConfigError> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(at, text)| read(text).map_err(|what| cx.error(&place.index(at), what)))
        .collect()
}

/// Only ways on which the address checked is the destination's own.
fn reach(wanted: &Transport, cx: &BuildContext<'_>) -> Result<Reach, ConfigError> {
    let place = Pointer::root().key("transport");
    let elsewhere = [
        ("unix", wanted.unix.is_some()),
        ("proxy", wanted.proxy.is_some()),
    ];
    if let Some((key, _)) = elsewhere.into_iter().find(|(_, set)| *set) {
        let what = "the address called would not be the destination's, which `allow` is about";
        return Err(cx.error(&place.key(key), what).on_key());
    }
    Reach::new(wanted, &place, cx)
}
