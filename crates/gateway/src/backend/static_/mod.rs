//! The `static` backend: a reverse proxy of plain HTTP to endpoints known by name.

mod config;
mod service;

use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::backend::{self, EndpointState, Endpoints, Group, Patience, Queue};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::protocol::{ArcService, Http};

use crate::backend::reach::Reach;
use crate::backend::relay::{Forwarded, ForwardedMode, Relay};
use crate::backend::retry;

pub use config::{EndpointConfig, HostHeader, StaticConfig};
pub(in crate::backend) use config::{five_minutes, websocket};
use service::{Endpoint, StaticService};

/// The backend `static`.
#[derive(Clone, Copy, Debug, Default)]
pub struct StaticBackend;

impl Backend<Http> for StaticBackend {
    const NAME: &'static str = "static";
    type Config = StaticConfig;

    fn service(
        &self,
        config: StaticConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Http>, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        let forwarded = Forwarded::new(&config.forwarded_headers, ForwardedMode::Append);
        let relay = Relay {
            forwarded: forwarded
                .map_err(|(place, what)| cx.error(&at("forwardedHeaders").join(&place), what))?,
            upgrades: config.upgrades.clone(),
            idle: config.upgrade_idle_timeout.get(),
            via: None,
        };
        let reach = Reach::new(&config.transport, &at("transport"), cx)?;
        let targets = endpoints(&config, &reach, cx)?;
        let balance = config.balance.balance();
        let balance = balance.ok_or_else(|| {
            cx.error(
                &at("balance"),
                "the header to share calls by has no valid name",
            )
        })?;
        let mut patience: Patience = config.health.into();
        if targets.len() == 1 {
            // Nothing is gained by leaving out the only one.
            patience.longest = Duration::ZERO;
        }
        let group = targets.iter().map(|(target, weight)| {
            let mut one = backend::Endpoint::new(target.way.name.clone());
            one.state = cx.state(&format!("endpoint {}", one.name), EndpointState::new);
            one.weight = *weight;
            one
        });
        let group = Group::new(group.collect(), balance);
        let choice = Arc::new(Endpoints::new(vec![group], patience, Queue::default()));
        let targets = targets.into_iter().map(|(target, _)| target).collect();
        let service = Arc::new(StaticService {
            relay,
            choice: choice.clone(),
            endpoints: targets,
            host: config.host_header,
        });
        let each = (0..service.endpoints.len()).map(|index| service.clone().at(index));
        let each = each.collect();
        let once = ArcService::from_fn(move |request| {
            let service = service.clone();
            async move { service.serve(request).await }
        });
        let Some(retry) = &config.retry else {
            return Ok(once);
        };
        let retrying = retry::over(retry, choice, each, once);
        retrying.map_err(|(key, what)| cx.error(&at("retry").key(key), what))
    }
}

/// The endpoints with their weights.
fn endpoints(
    config: &StaticConfig,
    reach: &Reach,
    cx: &BuildContext<'_>,
) -> Result<Vec<(Endpoint, u32)>, ConfigError> {
    let owner = &cx.owner().name;
    let single = match (&config.host, &*config.endpoints) {
        (Some(host), []) => host,
        (None, [_, ..]) => {
            let all = config.endpoints.iter().enumerate();
            return all.map(|(at, one)| endpoint(one, at, reach, cx)).collect();
        }
        (None, []) => {
            let what = "a `static` backend needs a `host`, or `endpoints`";
            return Err(cx.error(&Pointer::root(), what));
        }
        (Some(_), [_, ..]) => {
            let what = "either a `host` or `endpoints`, not both";
            return Err(cx.error(&Pointer::root().key("endpoints"), what).on_key());
        }
    };
    let place = Pointer::root().key("host");
    let authority = authority(single, None).map_err(|what| cx.error(&place, what))?;
    let service = cx.http_endpoint(&[], &place)?;
    // A backend written inside a route has no name.
    let name = if owner.is_empty() {
        authority.as_str().into()
    } else {
        owner.clone()
    };
    Ok(vec![(
        Endpoint {
            scheme: reach.scheme.clone(),
            authority,
            way: reach.way(service, name),
        },
        1,
    )])
}

fn endpoint(
    config: &EndpointConfig,
    at: usize,
    reach: &Reach,
    cx: &BuildContext<'_>,
) -> Result<(Endpoint, u32), ConfigError> {
    let place = Pointer::root().key("endpoints").index(at);
    if config.weight > config::MAX_WEIGHT {
        let what = format!("a weight is at most {}", config::MAX_WEIGHT);
        return Err(cx.error(&place.key("weight"), what));
    }
    let authority =
        authority(&config.host, config.port).map_err(|what| cx.error(&place.key("host"), what))?;
    let name = match &*cx.owner().name {
        "" => authority.as_str().into(),
        owner => format!("{owner}/{authority}").into(),
    };
    let service = cx.http_endpoint(&config.policies, &place)?;
    let endpoint = Endpoint {
        scheme: reach.scheme.clone(),
        authority,
        way: reach.way(service, name),
    };
    Ok((endpoint, config.weight))
}

/// Reads `host`, or `host:port` where there is no port apart.
fn authority(host: &str, port: Option<u16>) -> Result<Authority, &'static str> {
    let what = "not a host like `10.0.0.5:8080`, `[::1]:8080` or `app.internal`";
    let bare_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    let host = if bare_v6 {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let authority: Authority = host.parse().map_err(|_| what)?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(what);
    }
    let written = authority.as_str().len() > authority.host().len();
    match (port, written) {
        (Some(0), _) => Err("port 0 is no port"),
        (Some(_), true) => Err("the port stands here and in `port`"),
        (Some(port), false) => format!("{host}:{port}").parse().map_err(|_| what),
        (None, true) if authority.port_u16().is_none_or(|port| port == 0) => {
            Err("not a port from 1 to 65535")
        }
        (None, _) => Ok(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_their_port_in_one_place() {
        let read = |host, port| authority(host, port).map(|a| a.to_string());
        assert_eq!(read("10.0.0.5:8080", None).unwrap(), "10.0.0.5:8080");
        assert_eq!(read("app.internal", Some(80)).unwrap(), "app.internal:80");
        assert_eq!(read("::1", Some(80)).unwrap(), "[::1]:80");
        assert_eq!(read("[::1]", None).unwrap(), "[::1]");
        for (host, port) in [
            ("a:1", Some(2)),
            ("a:", None),
            ("a:0", None),
            ("a", Some(0)),
            ("a:99999", None),
            ("u@a", None),
            ("http://a", None),
            ("a/b", None),
            ("", None),
        ] {
            assert!(read(host, port).is_err(), "{host}");
        }
    }
}
