//! Encode: requests of Bedrock converse.

mod additional;
mod history;
mod read;
mod tools;
mod write;

pub(super) use read::read;
pub(super) use write::write;
