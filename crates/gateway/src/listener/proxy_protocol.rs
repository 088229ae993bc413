//! The first stretch of the line: the header by which a proxy in front tells who the client is.
//!
//! Versions 1 and 2 of the PROXY protocol, read from bytes without I/O. Of version 2 the commands LOCAL and
//! PROXY are known, with addresses of IP and of unix sockets; what follows the addresses is passed over.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The 12 bytes version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
const V1: &[u8] = b"PROXY ";
/// The shortest line of version 1, `PROXY UNKNOWN`; no header of version 2 is as short.
const SHORTEST_V1: usize = 15;
/// The longest line of version 1, its end included.
const MAX_V1: usize = 107;
/// The most bytes that may follow the fixed part of version 2: addresses and a generous room for what
/// proxies add, certificates of clients among it.
const MAX_V2: usize = 16 * 1024;
/// The size of the two addresses of unix sockets.
const UNIX: usize = 216;

/// What the bytes received so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// They may begin a header: at least so many bytes of the connection must be there to say more. A
    /// header never is shorter, so reading just as many takes nothing of what follows it.
    Incomplete(usize),
    /// They begin with something else.
    Absent,
    /// A header of so many bytes.
    Header {
        /// Its length.
        length: usize,
        /// Who the client is.
        origin: Origin,
    },
}

/// Who a header says the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client has this address, and reached the proxy at the second one.
    Client(SocketAddr, SocketAddr),
    /// The client has no IP address: a unix socket, or a family we do not know.
    Elsewhere,
    /// The proxy itself, as when it checks that we live.
    Proxy,
}

/// A header that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PROXY header is malformed: {0}")]
pub struct Malformed(&'static str);

/// Reads the header `seen` begins with.
///
/// # Errors
///
/// When it begins as a header does and goes on as none.
pub fn parse(seen: &[u8]) -> Result<Parsed, Malformed> {
    if seen.is_empty() {
        return Ok(Parsed::Incomplete(SHORTEST_V1));
    }
    if begins(seen, SIGNATURE) {
        return version2(seen);
    }
    if begins(seen, V1) {
        return version1(seen);
    }
    Ok(Parsed::Absent)
}

/// Whether two byte strings agree as far as both go.
fn begins(seen: &[u8], with: &[u8]) -> bool {
    let known = seen.len().min(with.len());
    seen[..known] == with[..known]
}

fn version1(seen: &[u8]) -> Result<Parsed, Malformed> {
    let line = &seen[..seen.len().min(MAX_V1)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        if line.len() == MAX_V1 {
            return Err(Malformed("its line does not end"));
        }
        // The last byte may be the first half of the end.
        let missing = if line.ends_with(b"\r") { 1 } else { 2 };
        return Ok(Parsed::Incomplete((line.len() + missing).max(SHORTEST_V1)));
    };
    let text = std::str::from_utf8(&line[V1.len()..end]);
    let text = text.map_err(|_| Malformed("its line is not ASCII"))?;
    Ok(Parsed::Header {
        length: end + 2,
        origin: line_of(text)?,
    })
}

/// What stands behind `PROXY `.
fn line_of(text: &str) -> Result<Origin, Malformed> {
    let mut words = text.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Origin::Proxy);
    }
    let words: Vec<_> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else {
        return Err(Malformed("it has not four parts"));
    };
    let ip = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let address = |host, port| Some(SocketAddr::new(ip(host)?, number(port)?));
    let source = address(source, source_port);
    let destination = address(destination, destination_port);
    let both = source.zip(destination);
    let (source, destination) = both.ok_or(Malformed("it has no two addresses"))?;
    Ok(Origin::Client(source, destination))
}

/// A port as it is written: digits, without a sign or a leading zero.
fn number(text: &str) -> Option<u16> {
    let plain = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
    text.parse().ok().filter(|_| plain)
}

fn version2(seen: &[u8]) -> Result<Parsed, Malformed> {
    let Some((fixed, rest)) = seen.split_first_chunk::<FIXED>() else {
        return Ok(Parsed::Incomplete(FIXED));
    };
    let [.., command, family, high, low] = *fixed;
    let after = usize::from(u16::from_be_bytes([high, low]));
    if after > MAX_V2 {
        return Err(Malformed("it is larger than 16 KiB"));
    }
    let length = FIXED + after;
    let from = match command {
        0x20 => return Ok(whole(seen, length, Origin::Proxy)),
        0x21 => family,
        _ => return Err(Malformed("its version or command is unknown")),
    };
    let needed = match from {
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => UNIX,
        _ => 0,
    };
    if after < needed {
        return Err(Malformed("it is shorter than its addresses"));
    }
    let Some(addresses) = rest.get(..needed) else {
        return Ok(Parsed::Incomplete(length));
    };
    let from = match from {
        0x11 | 0x12 => client::<4>(addresses),
        0x21 | 0x22 => client::<16>(addresses),
        _ => Origin::Elsewhere,
    };
    Ok(whole(seen, length, from))
}

fn whole(seen: &[u8], length: usize, from: Origin) -> Parsed {
    if seen.len() < length {
        return Parsed::Incomplete(length);
    }
    Parsed::Header {
        length,
        origin: from,
    }
}

/// Two addresses of `N` bytes each, and their ports.
fn client<const N: usize>(bytes: &[u8]) -> Origin
where
    IpAddr: From<[u8; N]>,
{
    let ip = |at| {
        let bytes: [u8; N] = bytes[at..at + N].try_into().expect("so many were taken");
        IpAddr::from(bytes)
    };
    let port = |at| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    Origin::Client(
        SocketAddr::new(ip(0), port(2 * N)),
        SocketAddr::new(ip(N), port(2 * N + 2)),
    )
}
