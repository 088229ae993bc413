//! Decode and encode: framing of byte streams, piece by piece.

mod frame;
pub mod sse;

use bytes::Bytes;
use smallvec::SmallVec;

pub use frame::{Fields, Frame};

/// Bytes of a stream and the frames in them. The blocks of a stream, one after the other, are it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The bytes as they were received.
    pub raw: Bytes,
    /// The frames, which lie one behind the other from the first byte to the last.
    pub frames: SmallVec<[Frame; 4]>,
}

/// Cuts a stream of bytes where its events end, whatever its framing is. One is made for each stream.
///
/// Nothing is lost and nothing waits: the blocks, one behind the other, are the bytes received, and each
/// holds all that was complete.
pub trait Split: Send {
    /// Takes the next chunk and gives all that is complete now, in one piece.
    ///
    /// # Errors
    ///
    /// When an event is too long or the framing is broken. Every later call fails too.
    fn push(&mut self, chunk: Bytes) -> Result<Option<Block>, SplitError>;

    /// What is left when the stream has ended: the bytes of an event that has no end, in one frame that is
    /// not [complete](Frame::is_complete).
    fn finish(&mut self) -> Option<Block>;
}

/// A stream that cannot be cut into events any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// An event is longer than allowed.
    #[error(transparent)]
    TooLarge(#[from] sse::TooLarge),
    /// The framing is not what the dialect writes.
    #[error("the framing of the stream is broken: {what}")]
    Broken {
        /// What is wrong with it, in a phrase.
        what: &'static str,
        /// The events before it that had become complete with the same chunk.
        before: Option<Box<Block>>,
    },
}

impl SplitError {
    /// The events before the fault that had become complete with the same chunk.
    pub fn take_before(&mut self) -> Option<Block> {
        let (Self::TooLarge(sse::TooLarge { before, .. }) | Self::Broken { before, .. }) = self;
        before.take().map(|block| *block)
    }
}

impl<S: Split + ?Sized> Split for Box<S> {
    fn push(&mut self, chunk: Bytes) -> Result<Option<Block>, SplitError> {
        (**self).push(chunk)
    }

    fn finish(&mut self) -> Option<Block> {
        (**self).finish()
    }
}
