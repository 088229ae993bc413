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

/// `transfer_encoding_refused`: the body is framed in a way that is not read here.
pub static TRANSFER_ENCODING_REFUSED: Code = Code {
    name: "transfer_encoding_refused",
    status: 400,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the request has a transfer coding other than `chunked` alone",
    remedy: "send it with `content-length`, or with `transfer-encoding: chunked` once",
};

/// `host_unknown`: no listener at the address is for the host.
pub static HOST_UNKNOWN: Code = Code {
    name: "host_unknown",
    status: 404,
    kind: Kind::NotFound,
    fault: Fault::Client,
    about: "no listener at this address is for the host of the request",
    remedy: "call by a host that is served here, or give a listener this `hostname`",
};

/// `misdirected`: the connection was made for another host.
pub static MISDIRECTED: Code = Code {
    name: "misdirected",
    status: 421,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the host of the request is not the one this connection was made for",
    remedy: "send it on a connection of its own, made with the host's name (SNI)",
};

/// `body_timeout`: the body of a request did not arrive.
pub static BODY_TIMEOUT: Code = Code {
    name: "body_timeout",
    status: 408,
    kind: Kind::Timeout,
    fault: Fault::Client,
    about: "the request body did not arrive in time",
    remedy: "send the body without long pauses, or raise `limits.bodyReadTimeout` of the listener",
};

/// Every code of the listener.
pub static CODES: &[&Code] = &[
    &HOST_INVALID,
    &TOO_MANY_HEADERS,
    &HOST_UNKNOWN,
    &MISDIRECTED,
    &BODY_TIMEOUT,
    &TRANSFER_ENCODING_REFUSED,
];
