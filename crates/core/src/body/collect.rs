//! Reading a whole body within a bound.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use super::{Body, Inner};
use crate::error::{Error, codes};

/// The largest buffer reserved on the word of a `content-length` alone.
const TRUSTED_LENGTH: u64 = 1 << 20;

impl Body {
    /// Reads the body to its end into one contiguous buffer of at most `max` bytes. A body that is at
    /// hand already, or arrives as one frame, is returned without a copy. Trailers are dropped.
    ///
    /// # Errors
    ///
    /// `body_too_large` as soon as the declared or the received length passes `max`; what the body itself
    /// fails with otherwise.
    pub async fn collect(self, max: u64) -> Result<Bytes, Error> {
        let mut stream = match self.0 {
            Inner::Empty => return Ok(Bytes::new()),
            Inner::Full(bytes) => return within(bytes, max),
            Inner::Stream(stream) => stream,
        };
        let declared = stream.size_hint().lower();
        if declared > max {
            return Err(too_large(max));
        }
        let Some(first) = next(&mut stream, max).await? else {
            return Ok(Bytes::new());
        };
        if stream.is_end_stream() {
            return Ok(first);
        }
        let Some(second) = next(&mut stream, max - first.len() as u64).await? else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(
            (declared.min(TRUSTED_LENGTH) as usize).max(first.len() + second.len()),
        );
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(more) = next(&mut stream, max - whole.len() as u64).await? {
            whole.extend_from_slice(&more);
        }
        Ok(whole.freeze())
    }
}

async fn next(
    stream: &mut Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>,
    room: u64,
) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = poll_fn(|cx| stream.as_mut().poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            return within(data, room).map(Some);
        }
    }
    Ok(None)
}

fn within(bytes: Bytes, max: u64) -> Result<Bytes, Error> {
    if bytes.len() as u64 > max {
        Err(too_large(max))
    } else {
        Ok(bytes)
    }
}

fn too_large(max: u64) -> Error {
    Error::new(
        &codes::BODY_TOO_LARGE,
        format!("the body is larger than the {max} bytes allowed here"),
    )
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn chunks(parts: &'static [&'static str]) -> Body {
        let frames = parts
            .iter()
            .map(|p| Ok::<_, Infallible>(Frame::data(Bytes::from_static(p.as_bytes()))));
        Body::new(StreamBody::new(futures_util::stream::iter(frames)))
    }

    #[tokio::test]
    async fn joins_chunks_in_order() {
        assert_eq!(
            chunks(&["a", "bc", "", "d"]).collect(4).await.unwrap(),
            "abcd"
        );
        assert_eq!(chunks(&[]).collect(0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn refuses_one_byte_over_at_any_chunking() {
        for parts in [
            &["abcde"][..],
            &["abcd", "e"],
            &["a", "b", "cde"],
            &["abc", "d", "e"],
        ] {
            let e = chunks(parts).collect(4).await.unwrap_err();
            assert_eq!(e.code(), &codes::BODY_TOO_LARGE);
        }
        assert_eq!(
            Body::from("abcde").collect(4).await.unwrap_err().code(),
            &codes::BODY_TOO_LARGE
        );
    }
}
