//! The end of the line: where the forward proxy may go, by name before lookup and by address after it.

use std::net::{IpAddr, SocketAddr};

use portcullis_core::upstream::AddressRefused;

use super::address::{embedded, special};
use super::destination::{Destination, Host};
use crate::network::Network;

/// What `allow` and `deny` say.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
}

/// One entry: hosts, and ports of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    hosts: Hosts,
    ports: Ports,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// `*`
    Any,
    /// `api.example.com`
    Name(Box<str>),
    /// `*.example.com`, without its star.
    Under(Box<str>),
    /// `10.0.0.0/8`, `[fd00::/8]`, or one address.
    Network(Network),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    /// Those of `http` and `https`, where an entry of `allow` has none.
    Web,
    Any,
    One(u16),
}

impl Rule {
    /// An entry of `allow`: without a port it means 80 and 443.
    pub(super) fn allow(text: &str) -> Result<Self, &'static str> {
        Self::parse(text, Ports::Web)
    }

    /// An entry of `deny`: without a port it means all of them.
    pub(super) fn deny(text: &str) -> Result<Self, &'static str> {
        Self::parse(text, Ports::Any)
    }

    fn parse(text: &str, usual: Ports) -> Result<Self, &'static str> {
        if text.contains("://") {
            return Err("an entry has no scheme: a host and a port, like `a.example:443`");
        }
        let (host, port) = split(text);
        let ports = match port {
            None => usual,
            Some("*") => Ports::Any,
            Some(port) => {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port > 0);
                Ports::One(port.ok_or("a port is a number from 1 to 65535, or `*`")?)
            }
        };
        let hosts = Hosts::parse(host)?;
        Ok(Self { hosts, ports })
    }

    fn names(&self, destination: &Destination) -> bool {
        self.ports.hold(destination.port)
            && match (&self.hosts, &destination.host) {
                (Hosts::Any, _) => true,
                (Hosts::Name(name), Host::Name(host)) => name == host,
                (Hosts::Under(suffix), Host::Name(host)) => {
                    host.len() > suffix.len() && host.ends_with(&**suffix)
                }
                (Hosts::Network(network), Host::Ip(address)) => network.contains(*address),
                _ => false,
            }
    }

    /// Whether it is about this address in so many words.
    fn holds(&self, address: IpAddr, port: u16) -> bool {
        let held = matches!(&self.hosts, Hosts::Network(network) if network.contains(address));
        held && self.ports.hold(port)
    }
}

/// An IPv6 address may stand without brackets where no port follows.
fn split(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or(""))),
            None => (text, None),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

impl Hosts {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let name = |text: &str| match Host::parse(text)? {
            Host::Name(name) => Ok(name),
            Host::Ip(_) => Err("not a host name"),
        };
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(suffix) = text.strip_prefix("*.") {
            return Ok(Self::Under(format!(".{}", name(suffix)?).into()));
        }
        if text.contains(['/', ':']) || text.parse::<IpAddr>().is_ok() {
            return Ok(Self::Network(Network::parse(text)?));
        }
        Ok(Self::Name(name(text)?))
    }
}

impl Ports {
    fn hold(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Web => port == 80 || port == 443,
            Self::One(one) => one == port,
        }
    }
}

impl Rules {
    /// Whether a destination may be asked for at all; its addresses are judged when it has been looked up.
    pub(super) fn name(&self, destination: &Destination) -> bool {
        let in_one = |rules: &[Rule]| rules.iter().any(|rule| rule.names(destination));
        in_one(&self.allow) && !in_one(&self.deny)
    }

    /// Whether an address may be dialled. One that is not of the public internet must stand in `allow` itself,
    /// as an address or by its network; a name, or `*`, is not enough.
    pub(super) fn address(&self, target: SocketAddr) -> Result<(), AddressRefused> {
        let address = target.ip().to_canonical();
        self.judge(address, target.port())
            .map_err(|why| AddressRefused::new(target, why))?;
        if let IpAddr::V6(v6) = address
            && let Some(inner) = embedded(v6)
        {
            self.judge(inner.into(), target.port()).map_err(|why| {
                AddressRefused::new(target, format!("it leads to {inner}: {why}"))
            })?;
        }
        Ok(())
    }

    fn judge(&self, address: IpAddr, port: u16) -> Result<(), String> {
        let held = |rules: &[Rule]| rules.iter().any(|rule| rule.holds(address, port));
        if held(&self.deny) {
            return Err("it stands in `deny`".into());
        }
        match special(address) {
            Some(what) if !held(&self.allow) => Err(format!(
                "it is {what}, and its network does not stand in `allow`"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Rules {
        Rules {
            allow: allow
                .iter()
                .map(|text| Rule::allow(text).unwrap())
                .collect(),
            deny: deny.iter().map(|text| Rule::deny(text).unwrap()).collect(),
        }
    }

    fn named(rules: &Rules, text: &str) -> bool {
        rules.name(&Destination::parse(text, None).unwrap())
    }

    fn dialled(rules: &Rules, text: &str) -> bool {
        rules.address(text.parse().unwrap()).is_ok()
    }

    #[test]
    fn names_are_allowed_with_their_ports() {
        let rules = rules(
            &[
                "api.example.com:443",
                "*.Internal.example:*",
                "plain.example",
            ],
            &["secret.internal.example", "*.internal.example:25"],
        );
        for allowed in [
            "api.example.com:443",
            "API.example.com.:443",
            "a.internal.example:1",
            "a.b.internal.example:65535",
            "plain.example:80",
            "plain.example:443",
        ] {
            assert!(named(&rules, allowed), "{allowed}");
        }
        for refused in [
            "api.example.com:80",
            "evil-api.example.com:443",
            "api.example.com.evil:443",
            "internal.example:80",
            "xinternal.example:80",
            "secret.internal.example:80",
            "a.internal.example:25",
            "plain.example:8080",
            "1.1.1.1:443",
        ] {
            assert!(!named(&rules, refused), "{refused}");
        }
    }

    #[test]
    fn special_addresses_need_their_network_whatever_the_name() {
        let open = rules(&["*:*"], &[]);
        assert!(named(&open, "localhost:80") && dialled(&open, "1.1.1.1:80"));
        let private = [
            "10.0.0.1:80",
            "127.0.0.1:80",
            "[::1]:80",
            "[::ffff:10.0.0.1]:80",
        ];
        for address in private
            .iter()
            .chain(&["169.254.169.254:80", "[64:ff9b::1.1.1.1]:80"])
        {
            assert!(!dialled(&open, address), "{address}");
        }
        let some = rules(
            &["*:*", "10.0.0.0/8:80", "64:ff9b::/96", "::1"],
            &["10.0.0.7"],
        );
        for address in [
            "10.0.0.1:80",
            "[::ffff:10.0.0.1]:80",
            "[::1]:443",
            "[64:ff9b::1.1.1.1]:80",
            "[64:ff9b::10.0.0.1]:80",
        ] {
            assert!(dialled(&some, address), "{address}");
        }
        for address in [
            "10.0.0.1:81",
            "10.0.0.7:80",
            "[::ffff:10.0.0.7]:80",
            "[64:ff9b::10.0.0.7]:80",
            "[64:ff9b::127.0.0.1]:80",
            "[::1]:8080",
            "127.0.0.1:80",
        ] {
            assert!(!dialled(&some, address), "{address}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in [
            "",
            "*.",
            "*.*",
            "a.*",
            "**",
            "*a.example",
            "a:0",
            "a:",
            "a:x",
            "a:+1",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "http://a",
            "u@a",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[::1]:0",
            "127.1",
            "0x7f.1",
            "a b",
            "fe80::1%1",
            "[a]:80:",
        ] {
            assert!(Rule::allow(text).is_err(), "{text}");
        }
        for text in [
            "[::1]:80",
            "::1",
            "[fd00::/8]:*",
            "fd00::/8",
            "10.0.0.0/8:80",
            "*",
            "*:443",
            "a.example.",
        ] {
            assert!(Rule::allow(text).is_ok(), "{text}");
        }
    }
}
