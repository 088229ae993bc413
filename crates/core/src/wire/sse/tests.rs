use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{Splitter, TooLarge, encode};
use crate::wire::Block;

/// What a frame says: name, data, number of data lines, whether a comment, whether complete.
type Said = (Vec<u8>, Vec<u8>, u32, bool, bool);

fn split(chunks: &[Bytes], max: usize) -> (Vec<Block>, Option<TooLarge>) {
    let mut splitter = Splitter::new(max);
    let mut blocks = Vec::new();
    for chunk in chunks {
        match splitter.push(chunk.clone()) {
            Ok(block) => blocks.extend(block),
            Err(error) => {
                blocks.extend(error.before.as_deref().cloned());
                return (blocks, Some(error));
            }
        }
    }
    blocks.extend(splitter.finish());
    (blocks, None)
}

fn said(blocks: &[Block]) -> Vec<Said> {
    let frames = blocks
        .iter()
        .flat_map(|block| block.frames.iter().map(move |frame| (block, frame)));
    frames
        .map(|(block, frame)| {
            let name = frame.event_name(&block.raw).to_vec();
            let data = frame.data(&block.raw).into_owned();
            (
                name,
                data,
                frame.data_lines(),
                frame.is_comment(),
                frame.is_complete(),
            )
        })
        .collect()
}

/// The same by the letter of the standard: decode, split into lines, read line by line.
fn reference(stream: &[u8]) -> Vec<Said> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut lines = vec![Vec::new()];
    let mut bytes = stream.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == b'\r' || byte == b'\n' {
            bytes.next_if(|&&next| byte == b'\r' && next == b'\n');
            lines.push(Vec::new());
        } else {
            lines.last_mut().expect("there is one").push(byte);
        }
    }
    let last = lines.pop().expect("there is one");
    let mut frames = Vec::new();
    let mut lines_of_frame = Vec::new();
    for line in lines {
        if line.is_empty() {
            frames.push(read(&std::mem::take(&mut lines_of_frame), true));
        } else {
            lines_of_frame.push(line);
        }
    }
    lines_of_frame.extend(Some(last).filter(|line| !line.is_empty()));
    if !lines_of_frame.is_empty() {
        frames.push(read(&lines_of_frame, false));
    }
    frames
}

fn read(lines: &[Vec<u8>], complete: bool) -> Said {
    let (mut name, mut data) = (Vec::new(), Vec::new());
    for line in lines {
        let colon = line
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
        match &line[..colon] {
            b"event" => name = value,
            b"data" => data.push(value),
            _ => {}
        }
    }
    let comment = !lines.is_empty() && lines.iter().all(|line| line[0] == b':');
    (
        name,
        data.join(b"\n".as_slice()),
        data.len() as u32,
        comment,
        complete,
    )
}

fn cut(stream: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(stream);
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        chunks.push(rest.split_to(rest.len().min(*length)));
    }
    chunks
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r\n",
        "\r",
        "\r",
        "\n\n",
        "\r\n\r\n",
        "data: {\"a\":1}",
        "data:x",
        "data",
        "data:",
        "data:  y",
        "event: ping",
        "event:",
        "event",
        "id: 7",
        "retry: 10",
        ": idle",
        ":",
        "dat",
        "datax: 1",
        " ",
        "\u{feff}",
    ]);
    (any::<bool>(), vec(piece, 0..30)).prop_map(|(mark, pieces)| {
        format!("{}{}", if mark { "\u{feff}" } else { "" }, pieces.concat()).into_bytes()
    })
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_chunking_changes_nothing(
        stream in streams(),
        lengths in vec(1..9usize, 1..6),
    ) {
        let expected = reference(&stream);
        for chunks in [cut(&stream, &[usize::MAX]), cut(&stream, &[1]), cut(&stream, &lengths)] {
            let (blocks, error) = split(&chunks, 1 << 10);
            prop_assert!(error.is_none());
            let raw: Vec<_> = blocks.iter().map(|block| block.raw.as_ref()).collect();
            prop_assert_eq!(raw.concat(), stream.as_slice());
            prop_assert_eq!(said(&blocks), expected.as_slice());
            for block in &blocks {
                let mut at = 0;
                for frame in &block.frames {
                    prop_assert_eq!(frame.span.start, at);
                    at = frame.span.end;
                }
                prop_assert!(block.frames.is_empty() || at as usize == block.raw.len());
            }
        }
    }

    #[test]
    fn the_bound_falls_on_the_same_event_at_every_chunking(
        sizes in vec(1..60usize, 1..8),
        lengths in vec(1..90usize, 1..6),
    ) {
        let stream: Vec<_> = sizes.iter().flat_map(|size| encode(None, &vec![b'x'; *size])).collect();
        let (whole, error) = split(&cut(&stream, &[usize::MAX]), 48);
        let (pieces, other) = split(&cut(&stream, &lengths), 48);
        prop_assert_eq!(said(&whole), said(&pieces));
        prop_assert_eq!(error.is_some(), sizes.iter().any(|size| size + 8 > 48));
        prop_assert_eq!(error.is_some(), other.is_some());
    }

    #[test]
    fn what_is_encoded_is_one_event_with_that_data(name in "[a-z.]{1,9}", data: Vec<u8>) {
        let (blocks, _) = split(&[encode(Some(&name), &data)], usize::MAX);
        prop_assert_eq!(blocks.len(), 1);
        prop_assert_eq!(blocks[0].frames.len(), 1);
        let frame = &blocks[0].frames[0];
        prop_assert_eq!(frame.event_name(&blocks[0].raw), name.as_bytes());
        prop_assert!(frame.is_complete());
        prop_assert_eq!(frame.data(&blocks[0].raw).into_owned(), normal(&data));
    }
}

/// The data with its line ends as `\n`.
fn normal(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &byte) in data.iter().enumerate() {
        match byte {
            b'\n' if at > 0 && data[at - 1] == b'\r' => {}
            b'\r' => out.push(b'\n'),
            byte => out.push(byte),
        }
    }
    out
}

#[test]
fn whole_events_are_passed_on_in_the_memory_they_came_in() {
    let mut splitter = Splitter::new(100);
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\nda");
    let block = splitter
        .push(chunk.clone())
        .expect("it fits")
        .expect("two are complete");
    assert_eq!(block.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(block.frames.len(), 2);
    let block = splitter
        .push(Bytes::from_static(b"ta: 3\n\n"))
        .expect("it fits")
        .expect("one is");
    assert_eq!(block.raw, "data: 3\n\n");
    assert!(splitter.finish().is_none());
}

#[test]
fn an_event_that_ends_with_a_bare_carriage_return_does_not_wait_for_more() {
    let mut splitter = Splitter::new(100);
    let block = splitter
        .push(Bytes::from_static(b"data: 1\r\n\r"))
        .expect("it fits");
    assert_eq!(block.map(|block| block.frames.len()), Some(1));
    assert!(
        splitter
            .push(Bytes::from_static(b"\n"))
            .expect("it fits")
            .is_none()
    );
    let rest = splitter.finish().expect("a byte is left");
    assert!(rest.raw == "\n" && rest.frames.is_empty());
}

#[test]
fn an_event_that_is_too_long_ends_the_stream_behind_those_before_it() {
    let mut splitter = Splitter::new(12);
    let error = splitter.push(Bytes::from_static(b"data: 1\n\ndata: 2345678\n\n"));
    let error = error.expect_err("the second is too long");
    assert_eq!(error.to_string(), "an event is longer than 12 bytes");
    assert_eq!(
        error.before.as_deref().map(|block| block.raw.as_ref()),
        Some(b"data: 1\n\n".as_slice())
    );
    assert!(splitter.push(Bytes::from_static(b"data: 1\n\n")).is_err());
    assert!(splitter.finish().is_none());
}

#[test]
fn other_fields_are_found_by_name() {
    let stream = b"\xef\xbb\xbfid: 1\nid:2\n: c\nretry\ndata: a\ndata:b\n\n";
    let mut splitter = Splitter::new(100);
    let block = splitter
        .push(Bytes::from_static(stream))
        .expect("it fits")
        .expect("one");
    let frame = &block.frames[0];
    assert_eq!(frame.field(&block.raw, "id"), Some(b"2".as_slice()));
    assert_eq!(frame.field(&block.raw, "retry"), Some(b"".as_slice()));
    assert_eq!(frame.field(&block.raw, "event"), None);
    assert_eq!(
        frame.fields(&block.raw).next(),
        Some((b"id".as_slice(), b"1".as_slice()))
    );
    assert_eq!(frame.data(&block.raw), b"a\nb".as_slice());
}

#[test]
fn encoded_names_and_data_cannot_break_out_of_their_event() {
    assert_eq!(
        encode(Some("a\nb\r"), b"1\r\n\r2\n"),
        "event: ab\ndata: 1\ndata: \ndata: 2\ndata: \n\n"
    );
    assert_eq!(encode(None, b""), "data: \n\n");
}
