//! The first stretch of the line: errors the listener itself answers with.

use portcullis_core::error::{Code, Fault, Kind};

/// `host_invalid`: the request does not name one host.
pub static HOST_INVALID: Code = Code {
    name: "host_invalid",
    status: 400,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the request does not name exactly one host",
    remedy: "send one `host` header, as HTTP/1.1 requires",
};

/// `too_many_headers`: the request has more header fields than the listener allows.
pub static TOO_MANY_HEADERS: Code = Code {
    name: "too_many_headers",
    status: 431,
    kind: Kind::TooLarge,
    fault: Fault::Client,
    about: "the request has more header fields than allowed",
    remedy: "send fewer, or raise `limits.maxHeaders` of the listener",
};

/// Every code of the listener.
pub static CODES: &[&Code] = &[&HOST_INVALID, &TOO_MANY_HEADERS];
