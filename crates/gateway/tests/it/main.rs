//! The whole line over real sockets: a client, the gateway, a fake provider.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connections;
mod ends;
mod errors;
mod files;
mod ids;
mod instances;
mod leaving;
mod panics;
mod passthrough;
mod reload;
mod support;
mod swaps;
mod usage;
