//! OpenAI's API: chat completions with embeddings and models, and responses.
//!
//! Source: the OpenAPI description of the OpenAI API, `/chat/completions`, `/embeddings`, `/models`,
//! `/responses`.

mod chat;
mod embed;
mod error;
mod plain;
mod responses;
#[cfg(test)]
pub(crate) mod tests;
mod usage;

pub use chat::Chat;
pub use error::RenderOpenAi;
pub use responses::Responses;
