//! Before the request line: the small languages of a configuration, for sizes, times, hosts, paths and origins.

use portcullis::core::config::{ByteSize, Duration, Pointer, decode};
use portcullis::core::context::RequestId;
use portcullis::core::route::{HostMatch, PathMatch};
use portcullis::core::upstream::Origin;

/// Whatever is taken means what it says: a host matches itself, a path too.
pub fn run(data: &[u8]) {
    if let Ok(value) = http::HeaderValue::from_bytes(data)
        && let Some(id) = RequestId::accept(&value)
    {
        assert_eq!(id.as_str().as_bytes(), data, "an id is taken as it is");
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let value = serde_json::Value::from(text);
    // Both may refuse; what they take is within bounds they can be asked for.
    let _ = decode::<Duration>(&value, &Pointer::root()).map(Duration::get);
    let _ = decode::<ByteSize>(&value, &Pointer::root()).map(ByteSize::as_usize);
    if let Ok(host) = HostMatch::new(text)
        && !host.is_wildcard()
    {
        assert!(host.is_match(text), "a host matches itself");
    }
    // Escapes of a pattern are brought into their normal form; paths match as they stand.
    if let Ok(path) = PathMatch::exact(text) {
        let written = path.to_string();
        assert!(
            path.is_match(&written["exact ".len()..]),
            "a path matches itself"
        );
    }
    if let Ok(path) = PathMatch::prefix(text) {
        let written = path.to_string();
        assert!(
            path.is_match(&written["prefix ".len()..]),
            "a prefix matches itself"
        );
    }
    if let Ok(path) = PathMatch::regex(text) {
        path.is_match("/v1/chat/completions");
    }
    if let Ok(origin) = Origin::parse(text) {
        let written = origin.to_string();
        assert!(Origin::parse(&written).is_ok(), "{written} is an origin");
    }
}
