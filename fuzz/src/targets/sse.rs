//! Decode: the splitter of server-sent events.

use bytes::Bytes;
use portcullis::core::wire::Block;
use portcullis::core::wire::sse::Splitter;

/// Longer events are given up.
const MAX: usize = 4 << 10;

/// An event as a browser would have it.
type Event = (Vec<u8>, Vec<u8>, bool);

/// The first byte says where the rest is cut. However it is, the blocks are the stream, and its events are
/// those of the stream in one piece.
pub fn run(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else {
        return;
    };
    let step = usize::from(*cut).max(1);
    let (whole, one) = split(stream, stream.len().max(1));
    let (pieces, many) = split(stream, step);
    if let (Some(whole), Some(pieces)) = (whole, pieces) {
        assert_eq!(whole, stream, "bytes are lost in one piece");
        assert_eq!(pieces, stream, "bytes are lost in pieces of {step}");
        assert_eq!(
            events(one),
            events(many),
            "pieces of {step} change the events"
        );
    }
}

/// All bytes that came out, unless an event was too large, and all events.
fn split(stream: &[u8], step: usize) -> (Option<Vec<u8>>, Vec<Event>) {
    let mut splitter = Splitter::new(MAX);
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    let mut take = |block: Block| {
        let mut at = 0;
        for frame in &block.frames {
            assert_eq!(frame.span.start, at, "frames lie one behind the other");
            at = frame.span.end;
            let (name, data) = (frame.event_name(&block.raw), frame.data(&block.raw));
            assert!(frame.fields(&block.raw).count() <= block.raw.len() + 1);
            events.push((name.to_vec(), data.to_vec(), frame.data_lines() > 0));
        }
        let rest = &block.raw[at as usize..];
        assert!(
            rest.is_empty() || block.frames.is_empty(),
            "frames are the block"
        );
        assert!(
            rest.iter().all(|b| matches!(b, b'\r' | b'\n')),
            "only a line end is no frame"
        );
        bytes.extend_from_slice(&block.raw);
    };
    for chunk in stream.chunks(step) {
        match splitter.push(Bytes::copy_from_slice(chunk)) {
            Ok(block) => block.into_iter().for_each(&mut take),
            Err(_) => return (None, events),
        }
    }
    splitter.finish().into_iter().for_each(&mut take);
    (Some(bytes), events)
}

/// The events that have data: a line end cut in two makes a frame of nothing.
fn events(all: Vec<Event>) -> Vec<Event> {
    all.into_iter().filter(|(_, _, data)| *data).collect()
}
