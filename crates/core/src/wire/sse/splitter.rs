//! Decode: chunks in, blocks of whole frames out.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::scan::Scan;
use crate::wire::{Block, Frame, Split, SplitError};

/// An event is longer than allowed.
///
/// The splitter has let go of its bytes and takes no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {max} bytes")]
pub struct TooLarge {
    /// The bound.
    pub max: usize,
    /// The events before it that had become complete with the same chunk.
    pub before: Option<Box<Block>>,
}

/// Splits a stream of server-sent events where they end.
///
/// Chunks may be cut anywhere: the frames are the same for every way to cut a stream. One thing
/// depends on it, because nothing is held back to wait for it: when a chunk ends between the `\r`
/// and the `\n` that end a frame, the `\n` is the first byte of the next frame's span.
///
/// Bytes are copied only where an event spans chunks, and each is looked at once. At most `max_event`
/// bytes and one chunk are held. Dropping a splitter drops the bytes it holds.
#[derive(Debug)]
pub struct Splitter {
    max_event: usize,
    tail: BytesMut,
    scan: Scan,
    spent: bool,
}

impl Splitter {
    /// A splitter for one stream, none of whose events may be longer than `max_event` bytes, its
    /// comments and line ends included.
    pub fn new(max_event: usize) -> Self {
        Self {
            max_event,
            tail: BytesMut::new(),
            scan: Scan::new(),
            spent: false,
        }
    }

    /// Takes the next chunk and gives all that is complete now, in one piece.
    ///
    /// The block is a slice of the chunk when no event was under way.
    ///
    /// # Errors
    ///
    /// When an event is too long. Every later call fails too, and nothing is left to
    /// [`finish`](Self::finish).
    pub fn push(&mut self, mut chunk: Bytes) -> Result<Option<Block>, TooLarge> {
        if self.spent || self.tail.len() + chunk.len() > u32::MAX as usize {
            return Err(self.give_up(None));
        }
        let (raw, frames, fits) = if self.tail.is_empty() {
            let (frames, fits) = self.frames(&chunk);
            let raw = chunk.split_to(end(&frames));
            self.tail.extend_from_slice(&chunk);
            (raw, frames, fits)
        } else {
            let mut tail = std::mem::take(&mut self.tail);
            tail.extend_from_slice(&chunk);
            let (frames, fits) = self.frames(&tail);
            let raw = tail.split_to(end(&frames)).freeze();
            if !tail.is_empty() {
                self.tail = tail;
            }
            (raw, frames, fits)
        };
        self.scan.drop_front(raw.len());
        let block = (!frames.is_empty()).then_some(Block { raw, frames });
        if fits {
            Ok(block)
        } else {
            Err(self.give_up(block))
        }
    }

    /// What is left when the stream has ended: the bytes after the last empty line.
    ///
    /// The block holds one frame that is not complete, or none when there is nothing of it but the
    /// rest of a line end. `None` when no bytes are left.
    pub fn finish(&mut self) -> Option<Block> {
        if self.tail.is_empty() {
            return None;
        }
        let raw = std::mem::take(&mut self.tail).freeze();
        let frames = self.scan.last(&raw).into_iter().collect();
        Some(Block { raw, frames })
    }

    /// The frames complete in `buffer`, and whether all of it is within the bound.
    fn frames(&mut self, buffer: &[u8]) -> (SmallVec<[Frame; 4]>, bool) {
        let mut frames = SmallVec::new();
        while let Some(frame) = self.scan.next(buffer) {
            if frame.span.len() > self.max_event {
                return (frames, false);
            }
            frames.push(frame);
        }
        let rest = buffer.len() - end(&frames);
        (frames, rest <= self.max_event)
    }

    fn give_up(&mut self, before: Option<Block>) -> TooLarge {
        self.spent = true;
        self.tail = BytesMut::new();
        TooLarge {
            max: self.max_event,
            before: before.map(Box::new),
        }
    }
}

impl Split for Splitter {
    fn push(&mut self, chunk: Bytes) -> Result<Option<Block>, SplitError> {
        Self::push(self, chunk).map_err(SplitError::TooLarge)
    }

    fn finish(&mut self) -> Option<Block> {
        Self::finish(self)
    }
}

/// Where the last of the frames ends.
fn end(frames: &[Frame]) -> usize {
    frames.last().map_or(0, |frame| frame.span.end as usize)
}
