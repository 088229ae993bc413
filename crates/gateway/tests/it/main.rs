//! The whole line over real sockets: a client, the gateway, a fake provider.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod bedrock;
#[cfg(unix)]
mod bounds;
mod connections;
mod counted;
mod door;
mod ends;
mod errors;
mod failover;
mod files;
mod forward;
mod grpc;
mod hosts;
mod http_config;
mod ids;
mod instances;
mod leaving;
mod listeners_page;
mod panics;
mod passthrough;
mod proxy;
mod proxy_protocol;
mod reload;
mod renewal;
mod shelf;
mod static_backend;
mod support;
mod swaps;
mod tls;
mod unix;
mod upstreams;
mod usage;
mod websocket;
mod websocket_http2;
