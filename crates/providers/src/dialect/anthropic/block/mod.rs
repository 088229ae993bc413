//! Encode and the way back: blocks of content, which requests and replies have in common.

mod media;
mod place;
mod read;
mod tool;
mod write;

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use crate::dialect::fields::{given, members};
use crate::translate::{CacheMark, Part, read as reading};

pub(super) use place::Place;
pub(super) use read::{push, read};
pub(super) use tool::CALL_SEAL;
pub(super) use write::{Blocks, Reader, cites, write_cache};

/// The family of models whose signatures are at home in this dialect.
pub(super) const FAMILY: &str = "anthropic";

/// A mark that says how far the prompt is worth caching.
pub(super) fn cache(value: Raw<'_>, field: &str) -> Result<Option<CacheMark>, Error> {
    let Some(value) = given(value) else {
        return Ok(None);
    };
    let mut mark = CacheMark::Default;
    for member in members(value) {
        if member.key == "ttl" {
            mark = match member.value.as_str().as_deref() {
                Some("5m") => CacheMark::Minutes5,
                Some("1h") => CacheMark::Hour,
                None if member.value.is_null() => CacheMark::Default,
                _ => return Err(reading::wrong(&format!("{field}.ttl"), "`5m` or `1h`")),
            };
        }
    }
    Ok(Some(mark))
}

/// The place of the mark of a part that can have one.
pub(super) fn mark<'p>(part: &'p mut Part<'_>) -> Option<&'p mut Option<CacheMark>> {
    match part {
        Part::Text { cache, .. } => Some(cache),
        Part::Media(media) => Some(&mut media.cache),
        Part::ToolCall(call) => Some(&mut call.cache),
        Part::ToolResult(result) => Some(&mut result.cache),
        Part::Refusal(_) | Part::Reasoning(_) | Part::Foreign { .. } => None,
    }
}
