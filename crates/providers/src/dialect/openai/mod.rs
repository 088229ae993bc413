//! OpenAI's API: chat completions with embeddings and models, and responses.
//!
//! Source: the OpenAPI description of the OpenAI API, `/chat/completions`, `/embeddings`, `/models`,
//! `/responses`.

mod chat;
mod embed;
mod error;
mod function;
mod media;
mod plain;
mod responses;
#[cfg(test)]
pub(crate) mod tests;
mod trouble;
mod usage;

pub use chat::{Chat, ChatWire};
pub use error::RenderOpenAi;
pub use responses::{Responses, ResponsesWire};
