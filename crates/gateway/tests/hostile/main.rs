//! The whole line against hostile peers: raw bytes in, and what each side saw of them, byte for byte.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod apart;
mod bodies;
mod chunks;
mod clients;
mod compressed;
mod conformance;
mod corpus;
mod frames;
mod h2_floods;
mod h2_heads;
mod heads;
mod hops;
mod recorder;
mod smuggling;
mod support;
mod upstreams;
