//! Encode: requests for content, read and written.

mod read;
mod settings;
mod thinking;
mod tools;
mod write;

pub(super) use read::request as read;
pub(super) use write::request as write;
