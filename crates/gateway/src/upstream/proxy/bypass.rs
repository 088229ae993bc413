//! Upstream client: hosts that are reached without the proxy.

use std::net::IpAddr;

use portcullis_core::config::{ConfigError, Pointer};

/// Hosts, domains and networks.
#[derive(Clone, Debug, Default)]
pub(super) struct Bypass(Vec<Exempt>);

#[derive(Clone, Debug)]
enum Exempt {
    All,
    Host(Box<str>),
    /// Everything under this name, without the dot before it.
    Under(Box<str>),
    Network(IpAddr, u32),
}

impl Bypass {
    /// Reads a list in which every entry must make sense. Places in the error are relative to it.
    pub(super) fn read(entries: &[String]) -> Result<Self, ConfigError> {
        let one = |(at, entry): (usize, &String)| {
            Exempt::read(entry).ok_or_else(|| {
                let what = "not a host name, a domain, an address or a network";
                ConfigError::new(Pointer::root().index(at), what)
                    .hint("as in `internal.example`, `.example`, `10.0.0.0/8` or `*`")
            })
        };
        let read: Result<_, _> = entries.iter().enumerate().map(one).collect();
        Ok(Self(read?))
    }

    /// Reads the environment's list. There, a plain name also means everything under it, and what
    /// makes no sense is passed over, as other programs do.
    pub(super) fn lenient(text: &str) -> Self {
        let entries = text.split([',', ' ']).map(str::trim);
        let read = entries.filter_map(Exempt::read).flat_map(|entry| {
            let under = match &entry {
                Exempt::Host(name) => Some(Exempt::Under(name.clone())),
                _ => None,
            };
            [Some(entry), under]
        });
        Self(read.flatten().collect())
    }

    pub(super) fn has(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        let address = host.parse().ok();
        self.0.iter().any(|exempt| exempt.has(host, address))
    }
}

impl Exempt {
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        if let Some((network, length)) = text.split_once('/') {
            let network: IpAddr = network.parse().ok()?;
            let length = length.parse().ok().filter(|n| *n <= bits(network).1)?;
            return Some(Self::Network(network, length));
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Some(Self::Network(address, bits(address).1));
        }
        let under = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
        let name = under.unwrap_or(text);
        let fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(fit) || name.starts_with('.') {
            return None;
        }
        let name = name.to_ascii_lowercase().into();
        Some(if under.is_some() {
            Self::Under(name)
        } else {
            Self::Host(name)
        })
    }

    fn has(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Host(name) => host.eq_ignore_ascii_case(name),
            Self::Under(name) => {
                let split = host.len().checked_sub(name.len() + 1);
                split
                    .and_then(|at| host.get(at..))
                    .is_some_and(|end| end.starts_with('.') && end[1..].eq_ignore_ascii_case(name))
            }
            Self::Network(network, length) => address.is_some_and(|address| {
                let ((ours, width), (theirs, other)) = (bits(*network), bits(address));
                let beyond = width - length;
                width == other && (beyond == width || ours >> beyond == theirs >> beyond)
            }),
        }
    }
}

/// An address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(entries: &[&str]) -> Result<Bypass, ConfigError> {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Bypass::read(&entries)
    }

    #[test]
    fn hosts_domains_addresses_and_networks_are_exempt() {
        for (entry, has, lacks) in [
            ("a.example", "A.Example.", "b.a.example"),
            (".example", "b.a.example", "example"),
            ("*.example", "a.example", "aexample"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("::/0", "fd00::1", "1.2.3.4"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("[::1]", "::1", "::2"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
        ] {
            let bypass = strict(&[entry]).unwrap();
            assert!(bypass.has(has), "{entry} has {has}");
            assert!(!bypass.has(lacks), "{entry} lacks {lacks}");
        }
        assert!(strict(&["*"]).unwrap().has("anything"));
        assert!(!strict(&[]).unwrap().has("anything"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_configuration_and_skipped_in_the_environment() {
        for bad in ["", "a b", "10.0.0.0/33", "x/8", "..", "http://a"] {
            let refused = strict(&["a", bad]).unwrap_err();
            assert_eq!(refused.at.as_str(), "/1", "{bad}");
        }
        let bypass = Bypass::lenient("10.0.0.0/33, a.example,,http://b");
        assert!(bypass.has("a.example") && bypass.has("x.a.example"));
        assert!(!bypass.has("b") && !bypass.has("10.0.0.1"));
    }
}
