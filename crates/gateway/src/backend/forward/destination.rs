//! The end of the line: where a request to the forward proxy wants to go, read in one way only.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::header::HOST;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use portcullis_core::Request;

/// The longest name there is (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A host in the one form it has here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case, without a dot at its end.
    Name(Box<str>),
    /// As an IP address, IPv4 in IPv6 form being IPv4.
    Ip(IpAddr),
}

/// Why what a request says is not taken for a destination: one phrase for the caller.
pub(super) type Unread = &'static str;

impl Destination {
    /// Reads `host:port`. `usual` is the port where none is written.
    pub(super) fn parse(text: &str, usual: Option<u16>) -> Result<Self, Unread> {
        let (host, port) = split(text)?;
        let port = match port {
            Some(port) => parse_port(port)?,
            None => usual.ok_or("the destination has no port")?,
        };
        let host = Host::parse(host)?;
        Ok(Self { host, port })
    }

    /// What is dialled, and what `Host` says: without the port where the scheme implies it.
    pub(super) fn authority(&self, scheme: &Scheme) -> Authority {
        let text = if usual_port(scheme) == Some(self.port) {
            self.host.to_string()
        } else {
            self.to_string()
        };
        text.parse()
            .expect("a checked host and port make an authority")
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Host {
    /// Reads a name, an IPv4 address in its usual form, or an IPv6 address in brackets. What some readers
    /// take for an address and others for a name is refused: `0x7f.1`, `127.1`, `2130706433`, `017700000001`.
    pub(super) fn parse(text: &str) -> Result<Self, Unread> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner
                .strip_suffix(']')
                .ok_or("the brackets around the address are not closed")?;
            let address: Ipv6Addr = inner
                .parse()
                .map_err(|_| "not an IPv6 address; a zone has no meaning here")?;
            return Ok(Self::Ip(IpAddr::from(address).to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err("not a host name: letters, digits, hyphens and dots, as in `xn--` form");
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        if is_numeric(last) {
            let address: Ipv4Addr = name
                .parse()
                .map_err(|_| "an IPv4 address is written as four decimal numbers, or it is none")?;
            return Ok(Self::Ip(address.into()));
        }
        Ok(Self::Name(name.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), Unread> {
    if text.contains('@') {
        return Err("a destination has no user name");
    }
    let host_end = match text.find(']') {
        Some(end) => end + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(host_end);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err("there is something between the host and its port"),
    }
}

fn parse_port(text: &str) -> Result<u16, Unread> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let port = digits.then(|| text.parse().ok()).flatten();
    port.ok_or("a port is a number from 1 to 65535")
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=MAX_LABEL).contains(&bytes.len())
        && bytes.iter().all(fit)
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

/// Whether some reader takes what ends with this label for an IPv4 address.
fn is_numeric(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

fn usual_port(scheme: &Scheme) -> Option<u16> {
    match scheme {
        _ if *scheme == Scheme::HTTP => Some(80),
        _ if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    }
}

/// What a request asks for, and by which scheme: by the URI in its first line, or by `Host`, where port 443
/// means `https`. Where both name a host, they must name the same.
pub(super) fn of_request(request: &Request) -> Result<(Destination, Scheme), Unread> {
    let uri = request.uri();
    let named = match request.headers().get(HOST) {
        Some(host) => Some(host.to_str().map_err(|_| "`host` is not a host name")?),
        None => None,
    };
    let Some(authority) = uri.authority() else {
        let named = named.ok_or("the request names no host")?;
        let destination = Destination::parse(named, usual_port(&Scheme::HTTP))?;
        let scheme = if destination.port == 443 {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        return Ok((destination, scheme));
    };
    let scheme = uri.scheme().unwrap_or(&Scheme::HTTP);
    let usual = usual_port(scheme).ok_or("only `http` and `https` are carried")?;
    let destination = Destination::parse(authority.as_str(), Some(usual))?;
    agree(&destination, named, usual)?;
    Ok((destination, scheme.clone()))
}

/// What a `CONNECT` asks for.
pub(super) fn of_connect(request: &Request) -> Result<Destination, Unread> {
    let uri = request.uri();
    let alone = uri.scheme().is_none() && uri.path_and_query().is_none();
    let authority = uri.authority().filter(|_| alone);
    let authority = authority.ok_or("`CONNECT` names a host and a port, and nothing else")?;
    let destination = Destination::parse(authority.as_str(), None)?;
    let named = request.headers().get(HOST);
    let named = named.map(|host| host.to_str().map_err(|_| "`host` is not a host name"));
    agree(&destination, named.transpose()?, destination.port)?;
    Ok(destination)
}

fn agree(destination: &Destination, named: Option<&str>, usual: u16) -> Result<(), Unread> {
    let same = match named {
        None => true,
        Some(named) => Destination::parse(named, Some(usual))? == *destination,
    };
    if same {
        Ok(())
    } else {
        Err("`host` and the request's target differ")
    }
}

/// Path and query as the caller wrote them, at the destination.
pub(super) fn uri(destination: &Destination, scheme: Scheme, asked: &Uri) -> Uri {
    let mut parts = Parts::default();
    parts.authority = Some(destination.authority(&scheme));
    parts.scheme = Some(scheme);
    let path = asked.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).expect("scheme, authority and path make a URI")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, Unread> {
        Destination::parse(text, Some(80)).map(|d| d.to_string())
    }

    #[test]
    fn every_destination_has_one_form() {
        for (text, form) in [
            ("Example.COM", "example.com:80"),
            ("example.com.:8080", "example.com:8080"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:80"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.0.0.1.", "127.0.0.1:80"),
            ("[::1]:1", "[::1]:1"),
            ("[0:0:0:0:0:0:0:1]", "[::1]:80"),
            ("[::ffff:127.0.0.1]", "127.0.0.1:80"),
            ("[::FFFF:7F00:1]", "127.0.0.1:80"),
            ("a_b.example", "a_b.example:80"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(form), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        let long = ["a"; 128].join(".");
        let label = "a".repeat(64);
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a:",
            "a:0",
            "a:00080",
            "a:65536",
            "a:+80",
            "a:8o",
            "a:80:80",
            "u@a",
            "u:p@a",
            "@a",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0X7F.1",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.0x1",
            "1.2.3.4.5",
            "256.1.1.1",
            "a.0x",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "[fe80::1%eth0]",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "[]",
            "[127.0.0.1]",
            "a b",
            "a\tb",
            "a%2eb",
            "a/b",
            "a\\b",
            "a#b",
            "a?b",
            "-a",
            "a-",
            "bücher.example",
            "①②⑦.0.0.1",
            "127。0。0。1",
            &long,
            &label,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_the_form_of_a_destination_gives_the_same(text in "[ -~]{0,40}") {
            if let Ok(form) = read(&text) {
                prop_assert_eq!(read(&form), Ok(form));
            }
        }

        #[test]
        fn no_name_is_an_address_to_the_standard_library(text in "[0-9a-fxX.]{1,20}") {
            if let Ok(Host::Name(name)) = Host::parse(&text) {
                prop_assert!(name.parse::<IpAddr>().is_err());
                let last = name.rsplit('.').next().unwrap();
                prop_assert!(last.bytes().any(|b| !b.is_ascii_digit()));
            }
        }
    }
}
