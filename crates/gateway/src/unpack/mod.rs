//! Decode: compressed request bodies, unpacked within bounds. Only what the gateway reads comes by here;
//! bodies it passes through stay as they are.

mod brotli;
mod coding;

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use portcullis_core::BoxFuture;
use portcullis_core::body::{Body, Unpack};
use portcullis_core::error::{Error, codes};

use coding::Coding;

/// So much is unpacked at a time, before other tasks get their turn.
const PIECE: usize = 64 << 10;
/// A body may always unpack to this much.
const FREE: u64 = 1 << 20;
/// Beyond [`FREE`], each byte received may become so many. Text becomes three to ten, a bomb a thousand.
const RATIO: u64 = 64;

/// Unpacks `gzip`, `deflate`, `br` and `zstd`, one of them at a time.
///
/// A body is refused, with `body_too_large`, when it becomes larger than the reader's bound, or larger than
/// 1 MiB and 64 times what was sent: what a client can make the gateway hold stays in proportion to what it
/// sends. Windows are bounded to 8 MiB for `zstd` (RFC 9659) and 16 MiB for `br` (RFC 7932).
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpacker;

impl Unpack for Unpacker {
    fn unpack(
        &self,
        coding: &HeaderValue,
        body: Body,
        max: u64,
    ) -> Option<BoxFuture<'static, Result<Bytes, Error>>> {
        let coding = Coding::named(coding.as_bytes())?;
        Some(Box::pin(async move {
            let packed = body.collect(max).await?;
            unpacked(coding, packed, max).await
        }))
    }
}

async fn unpacked(coding: Coding, packed: Bytes, max: u64) -> Result<Bytes, Error> {
    let max = max.min(FREE + RATIO * packed.len() as u64);
    let mut reader = coding.open(packed).map_err(broken)?;
    let mut whole = BytesMut::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = reader.read(&mut piece).map_err(broken)?;
        if read == 0 {
            break;
        }
        if (whole.len() + read) as u64 > max {
            return Err(too_large(max));
        }
        whole.extend_from_slice(&piece[..read]);
        tokio::task::yield_now().await;
    }
    if reader.rest() > 0 {
        let what = "there is more behind the compressed request body";
        return Err(Error::new(&codes::BODY_BROKEN, what));
    }
    Ok(whole.freeze())
}

fn too_large(max: u64) -> Error {
    let what = format!("the request body unpacks to more than the {max} bytes allowed");
    Error::new(&codes::BODY_TOO_LARGE, what)
}

fn broken(e: std::io::Error) -> Error {
    let what = "the request body is not what its `content-encoding` says";
    Error::new(&codes::BODY_BROKEN, what).because(e)
}
