//! What travels in a stream: the bytes received, and where the events in them are.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::Dialect;
use crate::context::Tokens;
use crate::json::Raw;
use crate::wire::{Block, Frame};

/// What an event is, found by looking at its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// Text, reasoning, a refusal, or a piece of a tool call.
    Content,
    /// Usage and nothing else: an event that is there because usage was asked for.
    Usage,
    /// Carries a finish reason, and possibly usage.
    Finish,
    /// The dialect's terminal event or sentinel.
    Done,
    /// The upstream says that it failed.
    Error,
    /// A comment or a ping.
    KeepAlive,
    /// Anything else the dialect knows or may learn.
    Other,
    /// Not what the dialect writes. Passed on unchanged, and counted.
    Unparsable,
}

/// One event of a batch.
#[derive(Clone, Debug)]
pub struct Event {
    frame: Frame,
    kind: EventKind,
    hidden: bool,
}

impl Event {
    /// What it is.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// Whether its data may report usage.
    pub(super) fn may_report_usage(&self) -> bool {
        matches!(
            self.kind,
            EventKind::Usage
                | EventKind::Finish
                | EventKind::Done
                | EventKind::Error
                | EventKind::Other
        )
    }

    /// Whether it is kept from the caller.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }
}

/// The bytes of a stream that were ready together, with the events in them. Unedited, it goes on as one
/// write of the very bytes received.
#[derive(Clone, Debug)]
pub struct Batch {
    raw: Bytes,
    events: SmallVec<[Event; 4]>,
    usage: Option<Tokens>,
}

impl Batch {
    /// Events the gateway wrote itself, by translation or for an answer of its own: their bytes, and where
    /// each ends and what it is. `usage` is what the stream has used so far, if that is known by now: it counts
    /// for the record, and what the events themselves say does not.
    pub fn written(
        raw: Bytes,
        events: impl IntoIterator<Item = (u32, EventKind)>,
        usage: Option<Tokens>,
    ) -> Self {
        let mut start = 0;
        let events = events.into_iter().map(|(end, kind)| {
            let span = std::mem::replace(&mut start, end)..end;
            Event {
                frame: Frame::whole(span.clone(), 0..0, span),
                kind,
                hidden: false,
            }
        });
        Self {
            events: events.collect(),
            raw,
            usage,
        }
    }

    /// Classifies the frames of a block.
    pub fn read(block: Block, dialect: &dyn Dialect) -> Self {
        let Block { raw, frames, .. } = block;
        let events = frames
            .into_iter()
            .map(|frame| {
                let kind = if frame.data_lines() == 0 {
                    EventKind::KeepAlive
                } else if is_torn(&frame, &raw) {
                    EventKind::Unparsable
                } else {
                    dialect.classify(frame.event_name(&raw), &frame.data(&raw))
                };
                Event {
                    frame,
                    kind,
                    hidden: false,
                }
            })
            .collect();
        Self {
            raw,
            events,
            usage: None,
        }
    }

    /// The bytes as received.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The events in them, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What the stream has used so far, where who wrote the events said so.
    pub fn usage(&self) -> Option<Tokens> {
        self.usage
    }

    /// Whether the last event has no end: the stream ended, or broke, inside of it.
    pub fn is_open(&self) -> bool {
        self.events.last().is_some_and(|e| !e.frame.is_complete())
    }

    /// The data of one of the batch's events, its lines joined.
    pub fn data(&self, event: &Event) -> Cow<'_, [u8]> {
        event.frame.data(&self.raw)
    }

    /// Keeps the events for which `hide` says so from the caller. Meters and guards still see them.
    pub fn hide(&mut self, mut hide: impl FnMut(&Event) -> bool) {
        for event in &mut self.events {
            event.hidden |= hide(event);
        }
    }

    /// What goes to the caller: the bytes received, less the hidden events.
    pub fn into_bytes(self) -> Bytes {
        if !self.events.iter().any(|e| e.hidden) {
            return self.raw;
        }
        let mut kept = BytesMut::with_capacity(self.raw.len());
        let mut from = 0;
        for event in self.events.iter().filter(|e| e.hidden) {
            let span = event.frame.span.clone();
            kept.extend_from_slice(&self.raw[from..span.start as usize]);
            from = span.end as usize;
        }
        kept.extend_from_slice(&self.raw[from..]);
        kept.freeze()
    }
}

/// Whether the stream stopped inside the document of this event. Its name alone says nothing then: a
/// reply does not end with half of its last event.
fn is_torn(frame: &Frame, raw: &[u8]) -> bool {
    if frame.is_complete() {
        return false;
    }
    let data = frame.data(raw);
    data.is_empty() || data.starts_with(b"{") && Raw::parse(&data).is_err()
}

impl From<Bytes> for Batch {
    /// Bytes a policy put in the place of events it held or edited.
    fn from(raw: Bytes) -> Self {
        Self {
            raw,
            events: SmallVec::new(),
            usage: None,
        }
    }
}
