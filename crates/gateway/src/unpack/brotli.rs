//! Decode: the content coding `br`.

use std::io::{self, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use bytes::Bytes;

/// Reads a brotli stream without the large windows the library's own reader allows, which a few bytes could
/// ask for by the gigabyte.
pub(super) struct Brotli {
    packed: Bytes,
    at: usize,
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    done: bool,
}

impl Brotli {
    pub(super) fn new(packed: Bytes) -> Self {
        let alloc = StandardAlloc::default;
        Self {
            packed,
            at: 0,
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            done: false,
        }
    }

    /// How many bytes were not needed.
    pub(super) fn rest(&self) -> usize {
        self.packed.len() - self.at
    }
}

impl Read for Brotli {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        if self.done {
            return Ok(0);
        }
        let mut available = self.rest();
        let (mut room, mut read, mut total) = (piece.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available,
            &mut self.at,
            &self.packed,
            &mut room,
            &mut read,
            piece,
            &mut total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultSuccess => self.done = true,
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(io::ErrorKind::UnexpectedEof.into()),
            BrotliResult::ResultFailure => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(read)
    }
}
