//! The framing of Bedrock's streams, AWS's event stream: cut, checked and written.

use std::ops::Range;

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use portcullis_core::wire::sse::TooLarge;
use portcullis_core::wire::{Block, Frame, Split, SplitError};
use smallvec::SmallVec;

/// What a message has around its headers and payload: two lengths and a checksum before, a checksum behind.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// Cuts a stream of AWS's event stream messages where they end, and checks both checksums of each.
///
/// The name of a frame is the message's `:event-type`, or its `:exception-type`; that of an error without either is
/// `error`, and its data are what `:error-message` says. Bytes are copied only where a message spans chunks. At most
/// `max_event` bytes and one chunk are held.
#[derive(Debug)]
pub struct EventStreamSplitter {
    max_event: usize,
    tail: BytesMut,
    spent: bool,
}

impl EventStreamSplitter {
    /// A splitter for one stream, none of whose messages may be longer than `max_event` bytes.
    pub fn new(max_event: usize) -> Self {
        Self {
            max_event,
            tail: BytesMut::new(),
            spent: false,
        }
    }

    /// The messages that are whole, from the start of `buffer` on, and what is wrong behind them.
    fn frames(&self, buffer: &Bytes) -> (SmallVec<[Frame; 4]>, Result<(), Fault>) {
        let mut frames: SmallVec<[Frame; 4]> = SmallVec::new();
        let mut at = 0;
        loop {
            let rest = buffer.slice(at..);
            let Some(length) = rest.first_chunk::<4>() else {
                return (frames, Ok(()));
            };
            let length = u32::from_be_bytes(*length) as usize;
            if length > self.max_event {
                return (frames, Err(Fault::TooLarge));
            }
            if length < PRELUDE + CHECKSUM {
                return (
                    frames,
                    Err(Fault::Broken("a message is shorter than its frame")),
                );
            }
            if rest.len() < length {
                return (frames, Ok(()));
            }
            match frame(&rest.slice(..length), at) {
                Ok(frame) => frames.push(frame),
                Err(what) => return (frames, Err(Fault::Broken(what))),
            }
            at += length;
        }
    }
}

enum Fault {
    TooLarge,
    Broken(&'static str),
}

impl Split for EventStreamSplitter {
    fn push(&mut self, chunk: Bytes) -> Result<Option<Block>, SplitError> {
        if self.spent || self.tail.len() + chunk.len() > u32::MAX as usize {
            self.spent = true;
            let max = self.max_event;
            return Err(TooLarge { max, before: None }.into());
        }
        let buffer = if self.tail.is_empty() {
            chunk
        } else {
            let mut tail = std::mem::take(&mut self.tail);
            tail.extend_from_slice(&chunk);
            if !is_due(&tail, self.max_event) {
                self.tail = tail;
                return Ok(None);
            }
            tail.freeze()
        };
        let (frames, fits) = self.frames(&buffer);
        let end = frames.last().map_or(0, |frame| frame.span.end as usize);
        let block = (!frames.is_empty()).then(|| Block {
            raw: buffer.slice(..end),
            frames,
        });
        let Err(fault) = fits else {
            let rest = buffer.slice(end..);
            drop(buffer);
            self.tail = rest.try_into_mut().unwrap_or_else(|rest| rest[..].into());
            return Ok(block);
        };
        self.spent = true;
        let before = block.map(Box::new);
        Err(match fault {
            Fault::TooLarge => TooLarge {
                max: self.max_event,
                before,
            }
            .into(),
            Fault::Broken(what) => SplitError::Broken { what, before },
        })
    }

    fn finish(&mut self) -> Option<Block> {
        let raw = std::mem::take(&mut self.tail).freeze();
        let frame = Frame::open(0..u32::try_from(raw.len()).ok()?);
        (!raw.is_empty()).then(|| Block {
            raw,
            frames: SmallVec::from_iter([frame]),
        })
    }
}

/// Whether what is held is worth looking at: a whole message, or one that cannot become any.
fn is_due(held: &[u8], max: usize) -> bool {
    let length = held.first_chunk().map(|length| u32::from_be_bytes(*length));
    length.is_some_and(|length| {
        let length = length as usize;
        held.len() >= length || length > max
    })
}

/// One message, which begins `at` bytes into its block.
fn frame(message: &Bytes, at: usize) -> Result<Frame, &'static str> {
    let read = read_message_from(message.clone());
    let read = read.map_err(|_| "a message does not match its checksums or lengths")?;
    let span = |range: Range<usize>| {
        // A block is within `u32`, and so is what is in it.
        (range.start + at) as u32..(range.end + at) as u32
    };
    let (mut event, mut error, mut words) = (None, false, 0..0);
    let mut here = PRELUDE;
    for header in read.headers() {
        let value = value_of(header, here);
        here = value.end;
        let text = header.value().as_string().map_or("", |text| text.as_str());
        match header.name().as_str() {
            ":event-type" | ":exception-type" => event = Some(value),
            ":message-type" if text == "error" => error = true,
            ":error-message" => words = value,
            _ => {}
        }
    }
    let payload = here..message.len() - CHECKSUM;
    Ok(match event {
        Some(event) => Frame::whole(span(0..message.len()), span(event), span(payload)),
        None if error => {
            // Its name is the value of `:message-type`.
            let name = memchr::memmem::find(message, b"\x07\x00\x05error").unwrap_or_default() + 3;
            Frame::whole(span(0..message.len()), span(name..name + 5), span(words))
        }
        None => Frame::whole(span(0..message.len()), span(0..0), span(payload)),
    })
}

/// Where the value of a header that begins at `at` stands: behind name, type and, where it has one, length.
fn value_of(header: &Header, at: usize) -> Range<usize> {
    let start = at + 1 + header.name().as_str().len() + 1;
    let sized = |length: usize| start + 2..start + 2 + length;
    match header.value() {
        HeaderValue::String(text) => sized(text.as_str().len()),
        HeaderValue::ByteArray(bytes) => sized(bytes.len()),
        HeaderValue::Byte(_) => start..start + 1,
        HeaderValue::Int16(_) => start..start + 2,
        HeaderValue::Int32(_) => start..start + 4,
        HeaderValue::Int64(_) | HeaderValue::Timestamp(_) => start..start + 8,
        HeaderValue::Uuid(_) => start..start + 16,
        _ => start..start,
    }
}

/// Writes an event with a JSON document.
pub(super) fn write_event(name: &'static str, document: Vec<u8>, out: &mut Vec<u8>) {
    write("event", ":event-type", name, document, out);
}

/// Writes an exception with a JSON document. It is the last message of a stream.
pub(super) fn write_exception(name: &'static str, document: Vec<u8>, out: &mut Vec<u8>) {
    write("exception", ":exception-type", name, document, out);
}

fn write(
    kind: &'static str,
    header: &'static str,
    name: &'static str,
    document: Vec<u8>,
    out: &mut Vec<u8>,
) {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let message = Message::new(document)
        .add_header(Header::new(header, text(name)))
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(":message-type", text(kind)));
    write_message_to(&message, out).expect("documents of events are within u32");
}

#[cfg(test)]
mod tests;
