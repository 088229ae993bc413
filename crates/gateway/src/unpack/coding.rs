//! Decode: the content codings, each as a reader of plain bytes.

use std::io::{self, Read};

use bytes::Bytes;
use bytes::buf::{Buf, Reader};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use zstd::stream::read::Decoder as ZstdDecoder;

use super::brotli::Brotli;

/// The logarithm of the largest window of `zstd` as a content coding (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// A body being unpacked.
pub(super) enum Packed {
    Gzip(MultiGzDecoder<Reader<Bytes>>),
    Deflate(ZlibDecoder<Reader<Bytes>>),
    Brotli(Brotli),
    Zstd(ZstdDecoder<'static, Reader<Bytes>>),
}

impl Coding {
    /// The coding of that name; none for lists of them.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let names: [(&[u8], Self); 5] = [
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"br", Self::Brotli),
            (b"zstd", Self::Zstd),
        ];
        let is = |(known, _): &(&[u8], Self)| name.eq_ignore_ascii_case(known);
        names.into_iter().find(is).map(|(_, coding)| coding)
    }

    pub(super) fn open(self, packed: Bytes) -> io::Result<Packed> {
        Ok(match self {
            Self::Gzip => Packed::Gzip(MultiGzDecoder::new(packed.reader())),
            Self::Deflate => Packed::Deflate(ZlibDecoder::new(packed.reader())),
            Self::Brotli => Packed::Brotli(Brotli::new(packed)),
            Self::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(packed.reader())?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Packed::Zstd(decoder)
            }
        })
    }
}

impl Packed {
    /// Unpacks some bytes; none at the end, before which everything was there.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(reader) => reader.read(piece),
            Self::Deflate(reader) => reader.read(piece),
            Self::Brotli(reader) => reader.read(piece),
            Self::Zstd(reader) => reader.read(piece),
        }
    }

    /// How many bytes were not needed.
    pub(super) fn rest(&self) -> usize {
        match self {
            Self::Gzip(reader) => reader.get_ref().get_ref().remaining(),
            Self::Deflate(reader) => reader.get_ref().get_ref().remaining(),
            Self::Brotli(reader) => reader.rest(),
            Self::Zstd(reader) => reader.get_ref().get_ref().remaining(),
        }
    }
}
