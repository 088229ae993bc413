//! Beside the request line: what the gateway parses itself, given anything. `cargo fuzz run TARGET` hunts; every
//! file of `corpus/TARGET` is replayed by `crates/gateway/tests/hostile/corpus.rs` on the stable toolchain,
//! through the same functions.

pub mod targets;
