//! The end of the line: which headers of a plain HTTP call go on, in both directions.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, PROXY_AUTHORIZATION, TE, TRAILER,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::upstream::strip_hop;

/// For the gateway alone. `content-length` is written anew from the body, as `host` is by the client, and what
/// `expect` asks for the gateway does itself, as soon as the upstream takes the body.
const OURS: [HeaderName; 4] = [
    CONTENT_LENGTH,
    EXPECT,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("http2-settings"),
];

/// Where callers put a credential.
const CREDENTIALS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Makes a caller's headers those of the request to the upstream. `authenticated`: a policy has accepted
/// the caller's credential, so it was meant for the gateway and stays here.
pub(super) fn to_upstream(headers: &mut HeaderMap, authenticated: bool) {
    let trailers = takes_trailers(headers);
    strip(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    for name in &OURS {
        headers.remove(name);
    }
    if authenticated {
        for name in &CREDENTIALS {
            headers.remove(name);
        }
    }
    join_cookies(headers);
}

/// Makes the upstream's headers those of the reply.
pub(super) fn to_caller(headers: &mut HeaderMap) {
    strip(headers);
}

/// Takes off what belongs to one connection, but not the names of trailers to come: these do go on, and
/// with HTTP/1 nobody sends trailers that were not named.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<_> = headers.get_all(TRAILER).iter().cloned().collect();
    strip_hop(headers);
    for names in named {
        headers.append(TRAILER, names);
    }
}

/// Whether the caller reads trailers, as gRPC demands it is told.
fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|b| *b == b','));
    codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// HTTP/2 callers may send a cookie to a line, which HTTP/1 does not know (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&all.join(&b"; "[..]));
    headers.insert(
        COOKIE,
        joined.expect("header values joined by a header value are one"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_belongs_to_the_callers_connection_stays_behind() {
        let mut got = headers(&[
            ("connection", "keep-alive, x-own , Upgrade"),
            ("x-own", "1"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-connection", "close"),
            ("expect", "100-continue"),
            ("te", "gzip, Trailers"),
            ("trailer", "x-sum"),
            ("authorization", "Bearer theirs"),
            ("x-kept", "1"),
        ]);
        to_upstream(&mut got, false);
        let kept = headers(&[
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("authorization", "Bearer theirs"),
            ("x-kept", "1"),
        ]);
        assert_eq!(got, kept);
    }

    #[test]
    fn a_credential_a_policy_accepted_stays_behind() {
        let mut got = headers(&[
            ("x-api-key", "k"),
            ("authorization", "Bearer k"),
            ("cookie", "c=1"),
        ]);
        to_upstream(&mut got, true);
        assert_eq!(got, headers(&[("cookie", "c=1")]));
    }

    #[test]
    fn cookies_of_several_lines_become_one() {
        let mut got = headers(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")]);
        to_upstream(&mut got, false);
        assert_eq!(got, headers(&[("cookie", "a=1; b=2; c=3; d=4")]));
    }
}
