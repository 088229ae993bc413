//! The end of the line: what the upstream is told of the caller's connection.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use portcullis_core::config::Pointer;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::listener::ConnectionInfo;
use crate::network::Network;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const WANTED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the upstream is told of the caller: `x-forwarded-for`, `x-forwarded-proto`, `x-forwarded-host`, and
/// `forwarded` (RFC 7239) where a trusted proxy sent one.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ForwardedHeadersConfig {
    /// What becomes of these headers. Default: `append` for `static`, `pass` for `forward`.
    pub mode: Option<ForwardedMode>,
    /// Addresses and networks of proxies in front of the gateway, like `10.0.0.0/8`. What a caller from
    /// elsewhere says of itself is dropped in mode `append`. Default: none.
    pub trusted_proxies: Vec<String>,
}

/// What becomes of the headers that describe the caller's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ForwardedMode {
    /// The caller's address is added behind what a trusted proxy sent; what others sent is dropped.
    Append,
    /// None is sent.
    Remove,
    /// They go on as the caller sent them.
    Pass,
}

/// The checked form of [`ForwardedHeadersConfig`].
#[derive(Clone, Debug)]
pub(in crate::backend) struct Forwarded {
    mode: ForwardedMode,
    trusted: Box<[Network]>,
}

impl Forwarded {
    /// `usual` is the mode where the configuration names none.
    ///
    /// # Errors
    ///
    /// Where, and one phrase, for what is no network.
    pub(in crate::backend) fn new(
        config: &ForwardedHeadersConfig,
        usual: ForwardedMode,
    ) -> Result<Self, (Pointer, &'static str)> {
        let at = |index| Pointer::root().key("trustedProxies").index(index);
        let read = |(index, text): (usize, &String)| {
            Network::parse(text).map_err(|what| (at(index), what))
        };
        let trusted = config.trusted_proxies.iter().enumerate().map(read);
        Ok(Self {
            mode: config.mode.unwrap_or(usual),
            trusted: trusted.collect::<Result<_, _>>()?,
        })
    }

    /// Writes them. `headers` still has the caller's `host`.
    pub(super) fn write(&self, headers: &mut HeaderMap, uri: &Uri, from: Option<&ConnectionInfo>) {
        if self.mode == ForwardedMode::Pass {
            return;
        }
        let peer = from.and_then(|from| Some(from.peer?.ip().to_canonical()));
        if self.mode == ForwardedMode::Remove || !self.trusts(peer) {
            for name in [FOR, PROTO, WANTED_HOST, PORT, REAL_IP, FORWARDED] {
                headers.remove(name);
            }
        }
        if let (ForwardedMode::Append, Some(from)) = (self.mode, from) {
            append(headers, uri, from);
        }
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.trusted.iter().any(|network| network.contains(peer)))
    }
}

fn append(headers: &mut HeaderMap, uri: &Uri, from: &ConnectionInfo) {
    let peer = from.peer.map(|peer| peer.ip().to_canonical());
    let host = match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => headers.get(HOST).cloned(),
    };
    // A client of a unix socket has no address: what is not known is left out, or said to be unknown.
    if let Some(peer) = peer {
        extend(headers, FOR, &peer.to_string());
    }
    if headers.contains_key(FORWARDED) {
        let scheme = &from.scheme;
        let node = match peer {
            Some(IpAddr::V4(v4)) => format!("for={v4};proto={scheme}"),
            Some(IpAddr::V6(v6)) => format!("for=\"[{v6}]\";proto={scheme}"),
            None => format!("for=unknown;proto={scheme}"),
        };
        extend(headers, FORWARDED, &node);
    }
    if !headers.contains_key(PROTO) {
        let proto = HeaderValue::from_str(from.scheme.as_str());
        headers.insert(PROTO, proto.expect("a scheme is a header value"));
    }
    if let (Some(host), false) = (host, headers.contains_key(WANTED_HOST)) {
        headers.insert(WANTED_HOST, host);
    }
}

/// Adds an entry behind those of all lines of a list.
pub(super) fn extend(headers: &mut HeaderMap, name: HeaderName, entry: &str) {
    let before = headers.get_all(&name).iter().map(HeaderValue::as_bytes);
    let mut all: Vec<_> = before
        .filter(|value| !value.trim_ascii().is_empty())
        .collect();
    all.push(entry.as_bytes());
    let joined = HeaderValue::from_bytes(&all.join(&b", "[..]));
    headers.insert(
        name,
        joined.expect("header values joined by a header value are one"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        mode: Option<ForwardedMode>,
        trusted: &[&str],
        sent: &[(&'static str, &str)],
    ) -> String {
        let config = ForwardedHeadersConfig {
            mode,
            trusted_proxies: trusted.iter().map(ToString::to_string).collect(),
        };
        let forwarded = Forwarded::new(&config, ForwardedMode::Append).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("shop.example"));
        for (name, value) in sent {
            headers.append(*name, value.parse().unwrap());
        }
        let peer: std::net::SocketAddr = "[::ffff:192.0.2.7]:1234".parse().unwrap();
        let from = ConnectionInfo::new(peer, peer, "web");
        forwarded.write(&mut headers, &Uri::from_static("/x"), Some(&from));
        headers.remove(HOST);
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines.join("\n")
    }

    const SENT: [(&str, &str); 6] = [
        ("x-forwarded-for", "10.9.9.9"),
        ("x-forwarded-for", "10.8.8.8"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=10.9.9.9"),
        ("x-real-ip", "10.9.9.9"),
    ];

    #[test]
    fn what_a_stranger_says_of_itself_is_dropped() {
        let ours =
            "x-forwarded-for: 192.0.2.7\nx-forwarded-host: shop.example\nx-forwarded-proto: http";
        assert_eq!(written(None, &[], &SENT), ours);
        assert_eq!(written(None, &["198.51.100.0/24"], &SENT), ours);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_added_to() {
        assert_eq!(
            written(None, &["192.0.2.0/24"], &SENT),
            "forwarded: for=10.9.9.9, for=192.0.2.7;proto=http\n\
             x-forwarded-for: 10.9.9.9, 10.8.8.8, 192.0.2.7\n\
             x-forwarded-host: evil.example\n\
             x-forwarded-proto: https\n\
             x-real-ip: 10.9.9.9"
        );
    }

    #[test]
    fn all_of_it_can_be_removed_or_left_alone() {
        let remove = Some(ForwardedMode::Remove);
        assert_eq!(written(remove, &["192.0.2.7"], &SENT), "");
        let passed = written(Some(ForwardedMode::Pass), &[], &SENT[2..3]);
        assert_eq!(passed, "x-forwarded-proto: https");
    }
}
