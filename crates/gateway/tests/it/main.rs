//! The whole line over real sockets: a client, the gateway, a fake provider.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connections;
mod ends;
mod errors;
mod files;
mod forward;
mod grpc;
mod http_config;
mod ids;
mod instances;
mod leaving;
mod panics;
mod passthrough;
mod proxy;
mod reload;
mod static_backend;
mod support;
mod swaps;
mod upstreams;
mod usage;
mod websocket;
