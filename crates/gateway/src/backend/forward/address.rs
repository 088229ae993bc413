//! The end of the line: which addresses are not for anybody to call.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::network::{Network, v4, v6};

/// Ranges that are not the public internet (IANA's special-purpose registries), and what they are. The first
/// that holds an address names it.
const SPECIAL: [(Network, &str); 31] = [
    (v4([0, 0, 0, 0], 8), "an unspecified address"),
    (v4([10, 0, 0, 0], 8), "a private address"),
    (v4([100, 64, 0, 0], 10), "an address shared by a carrier"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([169, 254, 169, 254], 32), "a metadata service"),
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([172, 16, 0, 0], 12), "a private address"),
    (v4([192, 0, 0, 0], 24), "a protocol's own address"),
    (v4([192, 0, 2, 0], 24), "an address for documentation"),
    (v4([192, 88, 99, 0], 24), "a relay to IPv6"),
    (v4([192, 168, 0, 0], 16), "a private address"),
    (v4([198, 18, 0, 0], 15), "an address for benchmarks"),
    (v4([198, 51, 100, 0], 24), "an address for documentation"),
    (v4([203, 0, 113, 0], 24), "an address for documentation"),
    (v4([168, 63, 129, 16], 32), "a metadata service"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([240, 0, 0, 0], 4), "a reserved address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (
        v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
        "an IPv4 address in IPv6 form",
    ),
    (
        v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32),
        "an IPv4 address by NAT64",
    ),
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        "a metadata service",
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        "a unique local address",
    ),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "a link-local address",
    ),
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        "a site-local address",
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        "an IPv4 address by Teredo",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "a protocol's own address",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "an address for documentation",
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        "an IPv4 address by 6to4",
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "an address for documentation",
    ),
];

/// The only IPv6 addresses given out for the public internet.
const GLOBAL: Network = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What makes an address need permission; none for one of the public internet. An address in IPv4-mapped form is
/// judged as the IPv4 address it reaches.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    let address = address.to_canonical();
    let known = SPECIAL
        .iter()
        .find(|(network, _)| network.contains(address));
    match known {
        Some((_, what)) => Some(what),
        None if address.is_ipv6() && !GLOBAL.contains(address) => Some("a reserved address"),
        None => None,
    }
}

/// The IPv4 address somebody on the way makes of an IPv6 one.
pub(super) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        [0x64, 0xff9b, _, _, _, _, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, _, _, _, _, high, low] => Some(v4(!high, !low)),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_special(text: &str) -> bool {
        special(text.parse().unwrap()).is_some()
    }

    #[test]
    fn every_special_range_is_known_at_both_its_ends() {
        for (first, last) in [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("224.0.0.0", "255.255.255.255"),
            ("::", "::ffff:ffff"),
            ("64:ff9b::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("100::", "100::ffff:ffff:ffff:ffff"),
            ("2001::", "2001:1ff:ffff::"),
            ("2001:db8::", "2001:db8:ffff::"),
            ("2002::", "2002:ffff::"),
            ("3fff::", "3fff:fff:ffff::"),
            ("4000::", "ffff::"),
        ] {
            assert!(is_special(first) && is_special(last), "{first}");
        }
    }

    #[test]
    fn the_public_internet_is_not_special() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2003::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(!is_special(public), "{public}");
        }
    }

    #[test]
    fn the_address_inside_is_found_in_every_wrapping() {
        let inner: Ipv4Addr = "10.1.2.3".parse().unwrap();
        for wrapped in [
            "::10.1.2.3",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::10.1.2.3",
            "2002:a01:203::1",
            "2001:0:4136:e378:8000:63bf:f5fe:fdfc",
            "fe80::5efe:10.1.2.3",
            "2606:4700::200:5efe:10.1.2.3",
        ] {
            assert_eq!(embedded(wrapped.parse().unwrap()), Some(inner), "{wrapped}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_is_judged_as_what_it_maps(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            prop_assert_eq!(special(plain.into()), special(plain.to_ipv6_mapped().into()));
        }

        #[test]
        fn what_the_standard_library_calls_internal_is_special(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let internal = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!internal || special(address.into()).is_some());
        }

        #[test]
        fn only_global_unicast_is_public(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let global = address.segments()[0] & 0xe000 == 0x2000 || address.to_ipv4_mapped().is_some();
            prop_assert!(global || special(address.into()).is_some());
        }
    }
}
