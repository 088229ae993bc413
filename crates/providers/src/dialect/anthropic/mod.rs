//! Anthropic's API: messages, token counting, models.
//!
//! Source: the Messages API reference, versions 2023-06-01 and 2026-10-21, and the official SDK's types.

mod error;
mod messages;
#[cfg(test)]
mod tests;

pub use error::RenderAnthropic;
pub use messages::{Messages, VERSION_HEADER};
