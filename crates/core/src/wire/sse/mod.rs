//! Decode and encode: server-sent events, split without losing a byte.
//!
//! A [`Splitter`] takes the chunks of a stream as they arrive and gives back the same bytes in
//! [`Block`](crate::wire::Block)s that end where an event ends, with the place of each event's name and data in them. A
//! gateway that has nothing to change sends the block on in one write; one that has finds what it
//! looks for by spans. The format is that of section 9.2 of the [HTML standard].
//!
//! ```
//! use bytes::Bytes;
//! use portcullis_core::wire::sse::{Splitter, encode};
//!
//! let mut splitter = Splitter::new(1 << 20);
//! assert!(splitter.push(Bytes::from_static(b"event: ping\nda"))?.is_none());
//!
//! let block = splitter.push(Bytes::from_static(b"ta: {}\n\n: idle\n\ndata: [DONE]\n"))?;
//! let block = block.expect("an event has become complete");
//! assert_eq!(block.raw, "event: ping\ndata: {}\n\n: idle\n\n");
//! assert_eq!(block.frames[0].event_name(&block.raw), b"ping");
//! assert_eq!(block.frames[0].data(&block.raw), b"{}".as_slice());
//! assert!(block.frames[1].is_comment());
//!
//! let rest = splitter.finish().expect("an event without its empty line");
//! assert_eq!(rest.raw, "data: [DONE]\n");
//! assert!(!rest.frames[0].is_complete());
//!
//! assert_eq!(encode(Some("ping"), b"{}"), "event: ping\ndata: {}\n\n");
//! # Ok::<(), portcullis_core::wire::sse::TooLarge>(())
//! ```
//!
//! [HTML standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod scan;
mod splitter;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use memchr::memchr2;

pub use self::splitter::{Splitter, TooLarge};

/// One event as bytes, with its empty line.
///
/// Each line of `data` gets a field of its own, so that a reader gets the same data back with its
/// line ends as `\n`. Line ends in `event`, where none can be written, are left out.
pub fn encode(event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + event.map_or(0, str::len) + 24);
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend(event.bytes().filter(|b| !matches!(b, b'\n' | b'\r')));
        out.push(b'\n');
    }
    let mut rest = data;
    loop {
        out.extend_from_slice(b"data: ");
        let end = memchr2(b'\n', b'\r', rest);
        out.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        out.push(b'\n');
        let Some(end) = end else { break };
        rest = &rest[end
            + if rest[end..].starts_with(b"\r\n") {
                2
            } else {
                1
            }..];
    }
    out.push(b'\n');
    out.into()
}
