//! Tests: what holds for every pair of dialects.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Poller, Waker};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis_core::body::Body;
use portcullis_core::context::{Context, RequestId};
use portcullis_core::error::Error;
use portcullis_core::llm::{Blocks, Dialect};
use portcullis_core::wire::Split;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::fold::{Fold, shape};
use super::stream::{Ends, translate};
use super::testing::{asked, deltas, reply, tells_apart, written};
use super::{Losses, Names, Wire};
use crate::dialect::{all, wires};

fn dialect(wire: &dyn Wire) -> Arc<dyn Dialect> {
    let found = all()
        .into_iter()
        .find(|dialect| dialect.name() == wire.name());
    found.expect("a wire belongs to a dialect")
}

/// What cuts the streams of a dialect.
fn split(wire: &dyn Wire) -> Box<dyn Split> {
    let reply = http::Response::builder().header(CONTENT_TYPE, wire.stream_type(&asked(true)));
    let head = reply.body(()).unwrap().into_parts().0;
    dialect(wire)
        .splitter(&head, true)
        .expect("its streams can be cut")
}

/// A body that comes in pieces of this many bytes.
fn chunked(bytes: &[u8], size: usize) -> Body {
    let chunks: Vec<_> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let frames = chunks
        .into_iter()
        .map(|chunk| Ok::<_, Error>(Frame::data(chunk)));
    Body::new(StreamBody::new(stream::iter(frames)))
}

/// What the reader of a dialect makes of a stream.
fn folded(wire: &dyn Wire, bytes: &[u8]) -> Fold {
    let mut blocks = Blocks::new(chunked(bytes, bytes.len().max(1)), split(wire));
    let mut reader = wire.reader();
    let mut fold = Fold::default();
    let mut cx = Poller::from_waker(Waker::noop());
    while let std::task::Poll::Ready(Some(block)) = blocks.poll(&mut cx) {
        let block = block.unwrap();
        for frame in block.frames.iter().filter(|frame| frame.data_lines() > 0) {
            let (name, data) = (frame.event_name(&block.raw), frame.data(&block.raw));
            let mut take = |delta: super::Delta<'_>| {
                fold.take(delta);
                Ok(())
            };
            reader.read(name, &data, &mut take).unwrap();
        }
    }
    assert!(reader.is_whole());
    fold
}

/// A stream of one dialect as a stream of another.
fn translated(from: &dyn Wire, to: &dyn Wire, bytes: &[u8], size: usize) -> Vec<u8> {
    let ends = Ends {
        reader: from.reader(),
        writer: to.writer(&asked(true)),
        names: Names::default(),
        context: Context::new(RequestId::make(), None),
    };
    let mut events = pin!(translate(chunked(bytes, size), split(from), ends));
    let mut all = Vec::new();
    let mut cx = Poller::from_waker(Waker::noop());
    while let std::task::Poll::Ready(Some(batch)) = events.poll_next_unpin(&mut cx) {
        all.extend_from_slice(batch.unwrap().raw());
    }
    all
}

/// A whole reply as a dialect tells it.
fn told(wire: &dyn Wire, reply: &super::Reply<'_>) -> serde_json::Value {
    let bytes = wire
        .write_reply(reply, &asked(false), &mut Losses::default())
        .unwrap();
    let read = wire.read_reply(&bytes, &mut Losses::default()).unwrap();
    let mut told = shape(&read);
    // Not every dialect tells these, or tells them in a stream.
    for key in ["id", "model", "created"] {
        told[key].take();
    }
    told
}

#[test]
fn a_translated_stream_folds_to_the_translation_of_the_folded_one() {
    let wires = wires();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    let cases = (reply(), 1_usize..9, 1_usize..200);
    let law = |(reply, step, size)| {
        for from in &wires {
            let source = written(&mut *from.writer(&asked(true)), deltas(&reply, step)).unwrap();
            let whole = folded(&**from, source.bytes());
            for to in &wires {
                let gemini = [from.name(), to.name()].contains(&"gemini");
                if gemini && !tells_apart(&reply) {
                    continue;
                }
                let stream = translated(&**from, &**to, source.bytes(), size);
                let streamed = folded(&**to, &stream);
                prop_assert_eq!(
                    told(&**to, &streamed.reply()),
                    told(&**to, &whole.reply()),
                    "{} to {}",
                    from.name(),
                    to.name()
                );
            }
        }
        Ok(())
    };
    runner.run(&cases, law).unwrap();
}
