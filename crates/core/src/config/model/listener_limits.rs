//! Before the request line: what a listener bounds, as data.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{ByteSize, Duration};

/// What a listener bounds before any policy runs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListenerLimits {
    /// Connections open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// Size of a request's head; a larger one is answered 431.
    pub max_header_bytes: ByteSize,
    /// Header fields of a request; more are answered 431.
    pub max_headers: usize,
    /// How long a head may take to arrive, counted from its first byte or the connection's start.
    pub header_read_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long a call goes on without anything to send once its client has closed its own side of an HTTP/1.1
    /// connection: it may wait for the reply, or be gone. `0s` takes it for gone at once.
    pub half_closed_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub max_concurrent_streams: u32,
    /// How long a TLS handshake may take, waiting for its turn included.
    pub handshake_timeout: Duration,
    /// TLS handshakes at once; further ones wait for their turn.
    pub max_handshakes: usize,
    /// Size of a request's body; a larger one is answered 413. The `bodyLimit` of a route can be lower.
    pub max_body_bytes: ByteSize,
    /// How long a request's body may be waited for while less than 1 KiB of it arrives, or its end: then it
    /// is answered 408. It does not count once the reply has begun. `0s` waits for ever.
    pub body_read_timeout: Duration,
    /// Requests on one connection; the last is answered with `connection: close`, or GOAWAY in HTTP/2. By
    /// default any number.
    pub max_requests_per_connection: Option<u64>,
    /// What only HTTP/2 has.
    pub http2: Http2Limits,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_header_bytes: ByteSize::kib(64),
            max_headers: 100,
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            half_closed_timeout: Duration::from_millis(250),
            max_concurrent_streams: 200,
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 5000,
            max_body_bytes: ByteSize::mib(1024),
            body_read_timeout: Duration::from_secs(30),
            max_requests_per_connection: None,
            http2: Http2Limits::default(),
        }
    }
}

/// What a listener bounds on HTTP/2 connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Http2Limits {
    /// Streams a client may open and reset before the gateway has looked at them; beyond, the connection ends.
    pub max_pending_resets: usize,
    /// Streams the gateway may have to reset for a client's errors; beyond, the connection ends.
    pub max_error_resets: usize,
    /// How long a connection may be silent before it is asked for a sign of life. `0s` never asks.
    pub ping_interval: Duration,
    /// How long that sign may take; then the connection is cut.
    pub ping_timeout: Duration,
    /// Bytes of one request's body a client may send ahead of its reader.
    pub stream_window: ByteSize,
    /// Bytes of all bodies of a connection a client may send ahead of their readers: what a connection
    /// that nobody reads can hold in memory.
    pub connection_window: ByteSize,
    /// Size of a frame, from 16 KiB to just below 16 MiB.
    pub max_frame_size: ByteSize,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            max_pending_resets: 20,
            max_error_resets: 256,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            stream_window: ByteSize::kib(256),
            connection_window: ByteSize::mib(1),
            max_frame_size: ByteSize::kib(16),
        }
    }
}
