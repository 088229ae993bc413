//! Cohere's API, version 2: chat.
//!
//! Source: the API reference of `POST /v2/chat` and the official SDK's types (Python 7.3.1).

mod chat;
mod content;
mod error;
mod reply;
mod request;
mod stop;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;
mod wire;

pub use chat::Chat;
pub use error::RenderCohere;
pub use wire::ChatWire;

/// What stands for Cohere in the place of a family of models that seals state: it has none, and takes none.
const FAMILY: &str = "cohere";
