//! Route stretch: the host a route is for.

use std::fmt;
use std::net::Ipv4Addr;

use super::error::MatchError;

/// The longest name DNS can hold, in characters.
pub(super) const MAX_HOST: usize = 253;

/// The host a route is for: one name, or every name below one.
///
/// `api.example.com` is that host only. `*.example.com` is every host with one or more labels
/// before `.example.com`: `a.example.com` and `a.b.example.com`, not `example.com`. Letters match
/// in either case.
///
/// Implements `HTTPRouteSpec.hostnames` of the Gateway API.
///
/// ```
/// use portcullis_core::route::HostMatch;
///
/// assert!(HostMatch::new("*.example.com")?.is_match("a.b.Example.com:8443"));
/// assert!(!HostMatch::new("*.example.com")?.is_match("example.com"));
/// assert!(HostMatch::new("10.0.0.1").is_err());
/// # Ok::<(), portcullis_core::route::MatchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostMatch {
    /// Lower case, without the `*.`.
    name: Box<str>,
    wildcard: bool,
}

impl HostMatch {
    /// Reads a host name or `*.` before one.
    ///
    /// # Errors
    ///
    /// [`MatchError::Host`] if a label is not 1 to 63 letters, digits and inner hyphens, if the
    /// name is longer than 253 characters, is an IP address, carries a port, or if a `*` stands
    /// anywhere but alone in the first label.
    pub fn new(host: &str) -> Result<Self, MatchError> {
        let (wildcard, name) = match host.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, host),
        };
        match fault(name) {
            Some(why) => Err(MatchError::Host {
                host: host.into(),
                why,
            }),
            None => Ok(Self {
                name: name.to_ascii_lowercase().into(),
                wildcard,
            }),
        }
    }

    /// Whether `host`, as a request names it (a port and one trailing dot are ignored), is meant.
    pub fn is_match(&self, host: &str) -> bool {
        bare(host).is_some_and(|host| self.covers(host))
    }

    /// Whether this is a `*.` host.
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The name in lower case, without the `*.`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a host that [`bare`] returned is meant.
    pub(super) fn covers(&self, host: &str) -> bool {
        if !self.wildcard {
            return same(host, &self.name);
        }
        let Some(dot) = host.len().checked_sub(self.name.len() + 1) else {
            return false;
        };
        host.as_bytes()[dot] == b'.'
            && same(&host[dot + 1..], &self.name)
            && are_labels(&host[..dot])
    }
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.wildcard { "*." } else { "" }, self.name)
    }
}

/// A request's host without its port and trailing dot; none if it can be no route's host.
///
pub(super) fn bare(host: &str) -> Option<&str> {
    let digits = host.bytes().rev().take_while(u8::is_ascii_digit).count();
    let host = host[..host.len() - digits]
        .strip_suffix(':')
        .unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    (!host.is_empty() && host.len() <= MAX_HOST).then_some(host)
}

/// Whether two names are the same, letters in either case.
pub(super) fn same(a: &str, b: &str) -> bool {
    a == b || a.eq_ignore_ascii_case(b)
}

/// Whether a request may have this before the name of a wildcard: labels, none of them empty. User
/// information or half an address must not stand in for one.
pub(super) fn are_labels(text: &str) -> bool {
    let is_of_label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_of_label))
}

fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name == "*" {
        Some("means every host: leave the host out instead")
    } else if name.len() > MAX_HOST {
        Some("is longer than 253 characters")
    } else if name.contains('*') {
        Some("has a `*` that is not the whole first label")
    } else if name.contains(':') {
        Some("has a port or is an address: a route is for a host name only")
    } else if name.parse::<Ipv4Addr>().is_ok() {
        Some("is an address: a route is for a host name only")
    } else if !name.split('.').all(is_label) {
        Some("has a label that is not 1 to 63 letters, digits and inner hyphens")
    } else {
        None
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostMatch {
        HostMatch::new(text).unwrap()
    }

    #[test]
    fn port_case_and_trailing_dot_of_the_request_do_not_matter() {
        for request in [
            "api.example.com",
            "API.example.COM:80",
            "api.example.com.",
            "api.example.com.:1",
        ] {
            assert!(host("Api.example.com").is_match(request), "{request}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_or_more_labels() {
        assert!(host("*.b.c").is_match("a.b.c") && host("*.b.c").is_match("x.a.b.c"));
        for request in [
            "b.c", ".b.c", "ab.c", "u@a.b.c", "a..b.c", ".a.b.c", "[a.b.c", "a.b.c.d", "é.b.c", "",
        ] {
            assert!(!host("*.b.c").is_match(request), "{request}");
        }
    }

    #[test]
    fn what_is_no_host_name_matches_no_host() {
        for request in ["user@a.b", "a.b:x", "a.b..", "[::1]:80", "a.b:1:2"] {
            assert!(!host("a.b").is_match(request), "{request}");
        }
    }

    #[test]
    fn names_that_no_request_could_carry_are_refused() {
        let long = format!("{}.a", "a".repeat(64));
        for text in [
            "", "*", "*.", "*.*.a", "a.*", "a*.b", "a..b", "a.", "-a", "a-", "a_b", "a:80", "::1",
            "1.2.3.4", &long,
        ] {
            assert!(HostMatch::new(text).is_err(), "{text}");
        }
        assert_eq!(host("*.A.b").to_string(), "*.a.b");
    }
}
