//! The whole line over real sockets: a client, the gateway, a fake provider.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod connections;
mod door;
mod ends;
mod errors;
mod hosts;
mod ids;
mod instances;
mod leaving;
mod listeners_page;
mod panics;
mod passthrough;
mod proxy_protocol;
mod support;
mod tls;
#[cfg(unix)]
mod unix;
mod usage;
