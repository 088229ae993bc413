//! Upstream client: how many connections there are, for whoever exports metrics.

use http::uri::{Authority, Scheme};

use super::HttpVersion;

/// Connections of a [`Client`](super::Client) at one moment. Each number is right by itself; taken
/// together they may be a moment apart.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Connections that are open, in use or not.
    pub open: usize,
    /// Connections that are open and carry no exchange.
    pub idle: usize,
    /// The same by origin, in no particular order.
    pub origins: Vec<OriginStats>,
}

/// Connections to one origin.
#[derive(Clone, Debug)]
pub struct OriginStats {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port as in the URI.
    pub authority: Authority,
    /// The protocol spoken on these connections.
    pub version: HttpVersion,
    /// Connections that are open, in use or not.
    pub open: usize,
    /// Connections that are open and carry no exchange.
    pub idle: usize,
}
