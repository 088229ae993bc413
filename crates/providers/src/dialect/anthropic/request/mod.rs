//! Encode: requests for a message.

mod read;
mod sampling;
mod settings;
mod tools;
mod write;

pub(super) use read::request as read;
pub(super) use write::request as write;
