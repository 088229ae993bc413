//! Before the request line: a range of addresses, as configuration writes it wherever it names one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The addresses that share a prefix: `10.0.0.0/8`, or one address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

impl Network {
    /// Reads an address, or an address and the length of its prefix.
    ///
    /// # Errors
    ///
    /// One phrase, when it is neither, or when bits behind the prefix are set: one of the two is then
    /// mistyped.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let unread = "neither an IP address nor a network like `10.0.0.0/8`";
        let (base, prefix) = text
            .split_once('/')
            .map_or((text, None), |(b, p)| (b, Some(p)));
        let base: IpAddr = base.parse().map_err(|_| unread)?;
        if base != base.to_canonical() {
            return Err("an IPv4 address in IPv6 form: write it as IPv4");
        }
        let network = match prefix {
            None => IpNet::from(base),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                let prefix = text.parse().map_err(|_| unread)?;
                let network = IpNet::new(base, prefix);
                network.map_err(|_| "the prefix is longer than the address")?
            }
            Some(_) => return Err(unread),
        };
        if network.trunc() != network {
            return Err("the address has bits set behind the prefix");
        }
        Ok(Self(network))
    }

    /// Whether `address` is one of them. IPv4 in IPv6 form is taken for IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// A network known when this is written. For tables.
pub(crate) const fn v6(segments: [u16; 8], prefix: u8) -> Network {
    let [a, b, c, d, e, f, g, h] = segments;
    let base = Ipv6Addr::new(a, b, c, d, e, f, g, h);
    Network(IpNet::new_assert(IpAddr::V6(base), prefix))
}

/// A network known when this is written. For tables.
pub(crate) const fn v4(octets: [u8; 4], prefix: u8) -> Network {
    let [a, b, c, d] = octets;
    let base = Ipv4Addr::new(a, b, c, d);
    Network(IpNet::new_assert(IpAddr::V4(base), prefix))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.1/8",
            "::/129",
            "fe80::1/64",
            "010.0.0.0/8",
            "::ffff:10.0.0.0/104",
            "fe80::%eth0/64",
            "10.0.0.0/8/8",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
        for text in ["0.0.0.0/0", "::/0", "::1", "10.0.0.0/8", "fd00::/8"] {
            assert!(Network::parse(text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_in_its_network_and_its_mapped_form_too(bits: u32, prefix in 0u8..=32) {
            let mask = u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
            let base = Ipv4Addr::from(bits & mask);
            let network = Network::parse(&format!("{base}/{prefix}")).unwrap();
            let address = Ipv4Addr::from(bits);
            prop_assert!(network.contains(address.into()));
            prop_assert!(network.contains(address.to_ipv6_mapped().into()));
            if prefix > 0 {
                let flipped = Ipv4Addr::from(bits ^ 1 << (32 - prefix));
                prop_assert!(!network.contains(flipped.into()));
            }
        }

        #[test]
        fn version_6_is_never_taken_for_version_4(bits: u128, prefix in 0u8..=32) {
            let address = Ipv6Addr::from(bits);
            let all = Network::parse("0.0.0.0/0").unwrap();
            prop_assert_eq!(all.contains(address.into()), address.to_ipv4_mapped().is_some());
            let _ = prefix;
        }
    }
}
