//! The way back: messages as streams of events.

mod read;
mod write;

pub(super) use read::Reader;
pub(super) use write::Writer;
