//! Anthropic's API: messages, token counting, models.
//!
//! Source: the Messages API reference, versions 2023-06-01 and 2026-10-21, and the official SDK's types.

mod block;
mod count;
mod error;
mod messages;
mod reply;
mod request;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;
mod wire;

pub use error::RenderAnthropic;
pub use messages::{Messages, VERSION_HEADER};
pub use wire::MessagesWire;
