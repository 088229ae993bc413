//! Google's Gemini API: generateContent, streams of it, token counting, embeddings, models.
//!
//! Source: the Gemini API reference (v1 and v1beta), Vertex's discovery document, and the official SDK's types.

mod array;
mod error;
mod generate;
mod usage;

pub(crate) mod url;

pub use error::RenderGemini;
pub use generate::Generate;
