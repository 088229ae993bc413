//! The way back: one event of a streamed response, as it was written.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use crate::translate::Text;
use crate::translate::read::{document, object, value, wrong};

/// The members of an event there may be.
#[derive(Debug, Default)]
pub(super) struct Event<'a> {
    pub(super) kind: Option<Text<'a>>,
    pub(super) delta: Option<Text<'a>>,
    /// The whole of what came in pieces.
    pub(super) whole: Option<Text<'a>>,
    pub(super) item: Option<Raw<'a>>,
    pub(super) part: Option<Raw<'a>>,
    pub(super) response: Option<Raw<'a>>,
    pub(super) annotation: Option<Raw<'a>>,
    pub(super) error: Option<Raw<'a>>,
    pub(super) output_index: Option<u64>,
}

impl<'a> Event<'a> {
    /// Reads an event in one pass.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, Error> {
        let mut event = Event::default();
        let is_object = document(data, |at| {
            object(at, |key, at| {
                let value = value(at)?;
                if key == "type" {
                    event.kind = Text::of(value);
                } else if key == "delta" {
                    event.delta = Text::of(value);
                } else if key == "text" || key == "arguments" || key == "refusal" {
                    event.whole = Text::of(value);
                } else if key == "item" {
                    event.item = Some(value);
                } else if key == "part" {
                    event.part = Some(value);
                } else if key == "response" {
                    event.response = Some(value);
                } else if key == "annotation" {
                    event.annotation = Some(value);
                } else if key == "error" {
                    event.error = Some(value).filter(|error| !error.is_null());
                } else if key == "output_index" {
                    event.output_index = value.as_u64();
                }
                Ok(())
            })
        })?;
        if is_object {
            Ok(event)
        } else {
            Err(wrong("type", "the type of an event"))
        }
    }
}
