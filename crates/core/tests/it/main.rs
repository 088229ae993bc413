//! The whole line, frozen: core's types put together against fakes, as the other crates put them together.
//!
//! Read `dialect` and `call` first; every other file answers one question about how the pieces compose.
#![expect(
    clippy::unwrap_used,
    reason = "fakes and fixtures fail a test as an assertion does"
)]

mod call;
mod chain;
mod dialect;
mod ends;
mod failover;
mod guard;
mod mcp;
mod meter;
mod passthrough;
mod replay;
mod router;
