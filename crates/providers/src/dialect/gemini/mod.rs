//! Google's Gemini API: generateContent, streams of it, token counting, embeddings, models.
//!
//! Source: the Gemini API reference (v1 and v1beta), Vertex's discovery document, and the official SDK's types.

mod array;
mod error;
mod generate;
mod key;
mod part;
mod place;
mod reply;
mod request;
mod say;
mod schema;
mod signature;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;
mod wire;

pub(crate) mod url;

pub use error::RenderGemini;
pub use generate::Generate;
