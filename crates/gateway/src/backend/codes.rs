//! The end of the line: errors of the backends that carry plain HTTP.

use portcullis_core::error::{Code, Fault, Kind};

/// `destination_forbidden`: the forward proxy may not go there.
pub static DESTINATION_FORBIDDEN: Code = Code {
    name: "destination_forbidden",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Client,
    about: "the gateway may not call this destination",
    remedy: "add its host and port to `allow` of the `forward` backend; private and other special addresses need their network there",
};

/// `destination_invalid`: the request does not name one destination.
pub static DESTINATION_INVALID: Code = Code {
    name: "destination_invalid",
    status: 400,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the request does not name one destination in the usual way",
    remedy: "name it by a host name or an IP address in its usual form, with a port from 1 to 65535, and alike in `host`",
};

/// `upgrade_refused`: the backend does not carry what the caller wants to speak.
pub static UPGRADE_REFUSED: Code = Code {
    name: "upgrade_refused",
    status: 501,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the backend does not carry this protocol",
    remedy: "list it in `upgrades` of the backend; an HTTP/2 upstream has to announce extended CONNECT (RFC 8441), else speak HTTP/1.1 to it or `auto`",
};

/// `upgrade_idle`: nothing was said on an upgraded connection for too long.
pub static UPGRADE_IDLE: Code = Code {
    name: "upgrade_idle",
    status: 408,
    kind: Kind::Timeout,
    fault: Fault::Client,
    about: "neither side said anything on an upgraded connection for `upgradeIdleTimeout`",
    remedy: "send pings, or raise `upgradeIdleTimeout` of the backend",
};

/// `proxy_loop`: the forward proxy has been asked to call itself.
pub static PROXY_LOOP: Code = Code {
    name: "proxy_loop",
    status: 508,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "the call has come through this proxy before",
    remedy: "the destination leads back to the gateway: name another, or put the gateway's own addresses in `deny`",
};

/// Every code of these backends.
pub static CODES: &[&Code] = &[
    &DESTINATION_FORBIDDEN,
    &DESTINATION_INVALID,
    &UPGRADE_REFUSED,
    &UPGRADE_IDLE,
    &PROXY_LOOP,
];
