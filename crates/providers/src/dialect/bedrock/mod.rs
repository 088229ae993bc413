//! Amazon Bedrock's runtime API: converse, converse-stream, invoke, token counting.
//!
//! Source: the service's own model (`bedrock-runtime`, 2023-09-30, as botocore 1.44.5 has it) and the framing
//! `application/vnd.amazon.eventstream`.

mod blocks;
mod content;
mod converse;
mod error;
mod format;
mod frames;
mod invoke;
mod path;
mod reading;
mod reply;
mod request;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;
mod wire;

pub use converse::Converse;
pub use error::RenderBedrock;
pub use frames::EventStreamSplitter;
pub use invoke::Invoke;
pub use wire::ConverseWire;

/// The content type of Bedrock's streams.
const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Whose signatures stand in its replies: only Claude signs what it thinks.
const FAMILY: &str = "anthropic";
