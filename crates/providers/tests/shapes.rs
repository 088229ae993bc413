//! Every recorded reply, read as its dialect reads it: the stated usage, the stated end, the same bytes, at
//! every chunking.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis_core::body::{Body, Ended};
use portcullis_core::context::Tokens;
use portcullis_core::llm::{Batch, Dialect, EventKind, EventStream, Seen, StreamEnd, api_path};
use portcullis_providers::dialect;
use portcullis_testkit::{Shape, ShapeEnd, shape, shapes};
use proptest::prelude::*;

/// The largest stream that is split in two at every place, and how often larger ones are.
const SMALL: usize = 2 << 10;
const SPLITS: usize = 150;

/// The dialect that claims the recorded request.
fn dialect_of(shape: &Shape) -> Arc<dyn Dialect> {
    let mut request = http::Request::builder()
        .method(shape.method.clone())
        .uri(shape.path);
    for (name, value) in &shape.request_headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request
        .body(())
        .expect("a recorded head is a head")
        .into_parts();
    let path = api_path(head.uri.path());
    let mut dialects = dialect::all().into_iter();
    dialects
        .find(|dialect| dialect.claim(&head, path).is_some())
        .expect("a dialect claims what no other does")
}

/// What was read of a stream.
#[derive(Debug, Default, PartialEq)]
struct Read {
    bytes: Vec<u8>,
    kinds: Vec<EventKind>,
    seen: Seen,
    usage: Option<Tokens>,
}

impl Read {
    fn note(&mut self, batch: &Batch, dialect: &dyn Dialect) {
        self.seen.note(batch);
        self.bytes.extend_from_slice(batch.raw());
        for event in batch.events() {
            self.kinds.push(event.kind());
            let mut tokens = self.usage.unwrap_or_default();
            let counts = event.kind() != EventKind::Content;
            if counts && dialect.usage(&batch.data(event), &mut tokens) {
                self.usage = Some(tokens);
            }
        }
    }
}

fn read(shape: &Shape, chunks: &[&'static [u8]]) -> Read {
    let dialect = dialect_of(shape);
    let frames: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk))))
        .collect();
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let mut events = EventStream::read(body, dialect.clone());
    let mut read = Read::default();
    while let Some(batch) = next(&mut events) {
        read.note(&batch, &*dialect);
    }
    read
}

/// The next batch of a stream that never waits.
fn next(events: &mut EventStream) -> Option<Batch> {
    futures_util::FutureExt::now_or_never(events.next())
        .expect("the stream never waits")
        .transpose()
        .expect("the stream does not break")
}

fn streams() -> impl Iterator<Item = &'static Shape> {
    shapes().iter().filter(|shape| shape.stream)
}

#[test]
fn every_stream_ends_and_counts_as_stated() {
    for shape in streams() {
        let read = read(shape, &[shape.response_body]);
        let wanted = match shape.name {
            "chat-stream-cut-json" => StreamEnd::Cut,
            // Its terminal event says that it failed.
            "responses-stream-failed" => StreamEnd::Failed,
            _ if shape.end == ShapeEnd::Error => StreamEnd::Failed,
            _ => StreamEnd::Finished,
        };
        let end = StreamEnd::judge(read.seen, Ended::Completed);
        assert_eq!(end, wanted, "{}", shape.name);
        let done = shape.end == ShapeEnd::Terminal && wanted == StreamEnd::Finished;
        assert_eq!(read.seen.done, done, "{}", shape.name);
        assert_eq!(counts(read.usage), stated(shape), "{}", shape.name);
        assert!(
            read.seen.content || wanted == StreamEnd::Failed,
            "{}",
            shape.name
        );
        let unparsable = u64::from(shape.name == "chat-stream-cut-json");
        assert_eq!(read.seen.unparsable, unparsable, "{}", shape.name);
    }
}

#[test]
fn every_whole_reply_counts_as_stated() {
    for shape in shapes().iter().filter(|shape| !shape.stream) {
        let mut tokens = Tokens::default();
        let found = dialect_of(shape).usage(shape.response_body, &mut tokens);
        assert_eq!(
            counts(found.then_some(tokens)),
            stated(shape),
            "{}",
            shape.name
        );
    }
}

fn counts(tokens: Option<Tokens>) -> Option<[u64; 3]> {
    tokens.map(|t| [t.input, t.output, t.cache_read])
}

fn stated(shape: &Shape) -> Option<[u64; 3]> {
    let usage = shape.usage?;
    Some([usage.input_tokens, usage.output_tokens, usage.cached_tokens])
}

#[test]
fn a_stream_is_the_same_at_every_split_in_two() {
    for shape in streams() {
        let whole = read(shape, &[shape.response_body]);
        assert_eq!(whole.bytes, shape.response_body, "{}", shape.name);
        let length = shape.response_body.len();
        let step = if length <= SMALL { 1 } else { length / SPLITS };
        for at in (0..=length).step_by(step) {
            let (before, after) = shape.response_body.split_at(at);
            assert_eq!(
                read(shape, &[before, after]),
                whole,
                "{} at {at}",
                shape.name
            );
        }
    }
}

#[test]
fn a_stream_is_the_same_byte_by_byte() {
    for shape in streams() {
        let bytes: Vec<_> = shape.response_body.chunks(1).collect();
        let whole = read(shape, &[shape.response_body]);
        assert_eq!(read(shape, &bytes), whole, "{}", shape.name);
    }
}

#[test]
fn a_stream_cut_anywhere_before_its_end_is_never_taken_for_whole() {
    for name in ["chat-stream", "messages-stream", "responses-stream"] {
        let shape = shape(name).unwrap();
        let body = shape.response_body;
        let finish = [
            "\"finish_reason\":\"stop\"",
            "message_delta",
            "event: response.completed",
        ]
        .iter()
        .find_map(|text| place(body, text))
        .unwrap();
        for end in (0..finish).step_by(23) {
            let read = read(shape, &[&body[..end]]);
            let end = StreamEnd::judge(read.seen, Ended::Completed);
            assert_eq!(end, StreamEnd::Cut, "{name}");
        }
    }
}

fn place(body: &[u8], text: &str) -> Option<usize> {
    body.windows(text.len())
        .position(|at| at == text.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_is_the_same_at_any_chunking(
        which in any::<prop::sample::Index>(),
        lengths in prop::collection::vec(1usize..400, 1..40),
    ) {
        let streams: Vec<_> = streams().collect();
        let shape = which.get(&streams);
        let mut rest = shape.response_body;
        let mut chunks = Vec::new();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*length).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(read(shape, &chunks), read(shape, &[shape.response_body]));
    }
}
