//! Decode: a stream that is one growing JSON array, cut behind each element.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use portcullis_core::wire::sse::TooLarge;
use portcullis_core::wire::{Block, Frame, Split, SplitError};
use smallvec::SmallVec;

/// What the stream ends with, as the data of an event of its own.
pub(super) const END: &[u8] = b"]";

/// Cuts `[{…},{…}]` into its objects; the bracket or comma before an object belongs to its frame, and the
/// bracket at the end is a frame whose data is [`END`].
#[derive(Debug)]
pub(super) struct Elements {
    max: usize,
    held: BytesMut,
    /// How much of what is held has been looked at.
    seen: usize,
    /// Where in what is held the object under way began.
    object: usize,
    at: At,
    broken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the bracket the array begins with.
    Start,
    /// Behind it: an object, or the end.
    First,
    /// Behind an object: a comma, or the end.
    Behind,
    /// Behind a comma: an object.
    Next,
    /// In an object, this deep.
    Object(u32),
    /// In a string in there.
    String(u32),
    /// Behind a backslash in there.
    Escape(u32),
    /// Behind the array.
    Over,
}

type Frames = SmallVec<[Frame; 4]>;

impl Elements {
    /// No element may be longer than `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            held: BytesMut::new(),
            seen: 0,
            object: 0,
            at: At::Start,
            broken: false,
        }
    }

    /// The frames complete in `bytes`, and whether all of it is what it should be.
    fn frames(&mut self, bytes: &[u8]) -> (Frames, bool) {
        let mut frames = Frames::new();
        let mut start = 0;
        let mut at = self.seen;
        while let Some(byte) = bytes.get(at) {
            self.at = match (self.at, byte) {
                (At::String(depth), b'"') => At::Object(depth),
                (At::String(depth), b'\\') => At::Escape(depth),
                (At::String(_), _) => {
                    at += memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at);
                    continue;
                }
                (At::Escape(depth), _) => At::String(depth),
                (At::Object(depth), b'"') => At::String(depth),
                (At::Object(depth), b'{' | b'[') => At::Object(depth.saturating_add(1)),
                (At::Object(1), b'}' | b']') => {
                    frames.push(frame(start, at + 1, self.object..at + 1));
                    start = at + 1;
                    At::Behind
                }
                (At::Object(depth), b'}' | b']') => At::Object(depth - 1),
                (At::Object(depth), _) => At::Object(depth),
                (state, b' ' | b'\t' | b'\r' | b'\n') => state,
                (At::Start, b'[') => At::First,
                (At::Behind, b',') => At::Next,
                (At::First | At::Next, b'{') => {
                    self.object = at;
                    At::Object(1)
                }
                (At::First | At::Behind, b']') => {
                    frames.push(frame(start, at + 1, at..at + 1));
                    start = at + 1;
                    At::Over
                }
                _ => return (frames, false),
            };
            at += 1;
        }
        if self.at == At::Over && start < bytes.len() {
            // White space behind the array waits for nothing.
            frames.push(frame(start, bytes.len(), start..start));
            start = bytes.len();
        }
        self.seen = bytes.len() - start;
        self.object = self.object.saturating_sub(start);
        (frames, true)
    }
}

impl Split for Elements {
    fn push(&mut self, chunk: Bytes) -> Result<Option<Block>, SplitError> {
        if self.broken || self.held.len() + chunk.len() > u32::MAX as usize {
            self.broken = true;
            return Err(self.fault(None));
        }
        let mut held = std::mem::take(&mut self.held);
        let (mut whole, fresh) = if held.is_empty() {
            (chunk, true)
        } else {
            held.extend_from_slice(&chunk);
            (Bytes::new(), false)
        };
        let (frames, sound) = self.frames(if fresh { &whole } else { &held });
        let end = frames.last().map_or(0, |frame| frame.span.end as usize);
        let raw = if fresh {
            let raw = whole.split_to(end);
            self.held.extend_from_slice(&whole);
            raw
        } else {
            let raw = held.split_to(end).freeze();
            self.held = held;
            raw
        };
        let longest = frames.iter().map(|frame| frame.span.len()).max();
        let fits = longest.unwrap_or(0).max(self.held.len()) <= self.max;
        let block = (!frames.is_empty()).then_some(Block { raw, frames });
        if sound && fits {
            return Ok(block);
        }
        self.broken = true;
        self.held = BytesMut::new();
        if !fits {
            // A block with an event that is too long in it is not passed on.
            let before = None;
            let max = self.max;
            return Err(SplitError::TooLarge(TooLarge { max, before }));
        }
        Err(self.fault(block))
    }

    fn finish(&mut self) -> Option<Block> {
        if self.held.is_empty() {
            return None;
        }
        let raw = std::mem::take(&mut self.held).freeze();
        let span = 0..u32::try_from(raw.len()).unwrap_or(u32::MAX);
        let frames = SmallVec::from_iter([Frame::open(span)]);
        Some(Block { raw, frames })
    }
}

impl Elements {
    fn fault(&self, before: Option<Block>) -> SplitError {
        SplitError::Broken {
            what: "it is no array of objects",
            before: before.map(Box::new),
        }
    }
}

fn frame(start: usize, end: usize, data: std::ops::Range<usize>) -> Frame {
    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let span = narrow(start)..narrow(end);
    let data = narrow(data.start)..narrow(data.end);
    Frame::whole(span, data.start..data.start, data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data of each frame of a stream cut at these places, and what was left at its end.
    fn cut(stream: &[u8], places: &[usize]) -> Result<(Vec<Vec<u8>>, Vec<u8>), SplitError> {
        let mut split = Elements::new(1 << 10);
        let (mut data, mut passed) = (Vec::new(), Vec::new());
        let mut take = |block: Block| {
            let mut end = 0;
            for frame in &block.frames {
                assert_eq!(frame.span.start, end);
                end = frame.span.end;
                data.push(frame.data(&block.raw).into_owned());
            }
            assert_eq!(end as usize, block.raw.len());
            passed.extend_from_slice(&block.raw);
        };
        let mut from = 0;
        for to in places.iter().copied().chain([stream.len()]) {
            let chunk = Bytes::copy_from_slice(&stream[from..to.max(from)]);
            from = to.max(from);
            split.push(chunk)?.map(&mut take);
        }
        let rest = split.finish().map(|block| block.raw.to_vec());
        let rest = rest.unwrap_or_default();
        passed.extend_from_slice(&rest);
        assert_eq!(passed, stream);
        data.retain(|data| !data.is_empty());
        Ok((data, rest))
    }

    const STREAM: &[u8] = br#"[{"a":"}]\"{\\"}
,
{"b":[{},{"c":[]}]},{}]
"#;

    #[test]
    fn objects_are_events_and_the_end_is_one() {
        let (data, rest) = cut(STREAM, &[]).unwrap();
        let expected = [
            &br#"{"a":"}]\"{\\"}"#[..],
            br#"{"b":[{},{"c":[]}]}"#,
            b"{}",
            END,
        ];
        assert_eq!(data, expected);
        assert_eq!(rest, b"");
        assert_eq!(cut(b" [ ] ", &[]).unwrap().0, [END]);
    }

    #[test]
    fn what_has_no_end_is_left() {
        let (data, rest) = cut(br#"[{"a":1},{"b""#, &[]).unwrap();
        assert_eq!(data, [br#"{"a":1}"#]);
        assert_eq!(rest, br#",{"b""#);
    }

    #[test]
    fn what_is_no_array_of_objects_is_broken_behind_what_was() {
        for stream in [&b"{}"[..], b"[1]", b"[{} {}]", b"[{},]", b"[]x", b"<html>"] {
            assert!(cut(stream, &[]).is_err(), "{stream:?}");
        }
        let mut split = Elements::new(64);
        let mut e = split.push(Bytes::from_static(b"[{}x")).unwrap_err();
        assert_eq!(e.take_before().unwrap().raw, "[{}");
        assert!(split.push(Bytes::from_static(b",{}")).is_err());
        assert!(split.finish().is_none());
    }

    #[test]
    fn an_element_that_does_not_end_is_too_large_before_it_has_filled_memory() {
        let mut split = Elements::new(8);
        assert!(
            split
                .push(Bytes::from_static(b"[{\"a\":"))
                .unwrap()
                .is_none()
        );
        let e = split.push(Bytes::from_static(b"[[[[[[")).unwrap_err();
        assert!(matches!(e, SplitError::TooLarge(_)));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_stream_is_cut(
            mut places in prop::collection::vec(0..STREAM.len(), 0..6)
        ) {
            places.sort_unstable();
            prop_assert_eq!(cut(STREAM, &places).unwrap(), cut(STREAM, &[]).unwrap());
        }

        #[test]
        fn any_bytes_are_cut_or_refused(
            stream in prop::collection::vec(prop::sample::select(b"[]{},\"\\ a".to_vec()), 0..32),
            at in 0..32_usize,
        ) {
            let at = at.min(stream.len());
            prop_assert_eq!(cut(&stream, &[at]).ok(), cut(&stream, &[]).ok());
        }
    }
}
