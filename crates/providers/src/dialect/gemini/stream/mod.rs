//! Encode: streams of content, read and written.

mod read;
mod write;

pub(super) use read::Reader;
pub(super) use write::Writer;
