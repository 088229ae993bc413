//! Decode and encode: framing of byte streams, piece by piece.

pub mod sse;
