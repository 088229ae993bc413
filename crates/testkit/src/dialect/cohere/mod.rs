//! Cohere's wire format: chat, version 2.

mod chat;
mod chat_stream;
mod check;

pub(crate) use self::chat::chat;
