use proptest::prelude::*;

use super::*;

fn event(name: &'static str, document: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_event(name, document.into(), &mut out);
    out
}

/// The name and the data of a frame.
type Named = (String, String);

/// What a splitter makes of a stream in these chunks: every frame's name and data, and the bytes.
fn cut(chunks: &[&[u8]]) -> Result<(Vec<Named>, Vec<u8>), SplitError> {
    let mut split = EventStreamSplitter::new(4096);
    let (mut found, mut bytes) = (Vec::new(), Vec::new());
    let mut take = |block: Option<Block>| {
        if let Some(block) = block {
            for frame in &block.frames {
                let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
                found.push((
                    text(frame.event_name(&block.raw)),
                    text(&frame.data(&block.raw)),
                ));
            }
            bytes.extend_from_slice(&block.raw);
        }
    };
    for chunk in chunks {
        take(split.push(Bytes::copy_from_slice(chunk))?);
    }
    take(split.finish());
    Ok((found, bytes))
}

#[test]
fn a_message_as_aws_publishes_it_is_read() {
    // From the tests of aws-c-event-stream: one header, a payload, and both checksums.
    let message = b"\x00\x00\x00\x3D\x00\x00\x00\x20\x07\xFD\x83\x96\x0Ccontent-type\x07\x00\x10application/json{'foo':'bar'}\x8D\x9C\x08\xB1";
    let (found, bytes) = cut(&[message]).unwrap();
    assert_eq!(found, [(String::new(), "{'foo':'bar'}".to_owned())]);
    assert_eq!(bytes, message);
}

#[test]
fn an_error_without_a_name_is_called_error_and_says_its_message() {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let message = Message::new(Bytes::new())
        .add_header(Header::new(":error-code", text("500")))
        .add_header(Header::new(":error-message", text("it broke")))
        .add_header(Header::new(":message-type", text("error")));
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    let (found, _) = cut(&[&out]).unwrap();
    assert_eq!(found, [("error".to_owned(), "it broke".to_owned())]);
}

#[test]
fn headers_of_every_type_are_passed_over() {
    let message = Message::new(Bytes::from_static(b"{}"))
        .add_header(Header::new("a", HeaderValue::Bool(true)))
        .add_header(Header::new("b", HeaderValue::Byte(1)))
        .add_header(Header::new("c", HeaderValue::Int16(1)))
        .add_header(Header::new("d", HeaderValue::Int32(1)))
        .add_header(Header::new("e", HeaderValue::Int64(1)))
        .add_header(Header::new(
            "f",
            HeaderValue::ByteArray(Bytes::from_static(b"xyz")),
        ))
        .add_header(Header::new("g", HeaderValue::Uuid(1)))
        .add_header(Header::new(
            ":event-type",
            HeaderValue::String("found".into()),
        ));
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    assert_eq!(
        cut(&[&out]).unwrap().0,
        [("found".to_owned(), "{}".to_owned())]
    );
}

#[test]
fn what_came_before_a_broken_message_is_still_given() {
    let mut stream = event("messageStart", "{}");
    let good = stream.len();
    stream.extend(event("messageStop", "{}"));
    for at in good..stream.len() {
        let mut broken = stream.clone();
        broken[at] ^= 0x10;
        let mut split = EventStreamSplitter::new(4096);
        match split.push(broken.into()) {
            Err(mut e) => {
                let before = e.take_before().expect("the first message was whole");
                assert_eq!(before.raw.len(), good, "byte {at}");
                assert!(split.push(Bytes::new()).is_err());
            }
            // A length that grew: the rest of the message has not come.
            Ok(block) => assert_eq!(block.unwrap().raw.len(), good, "byte {at}"),
        }
    }
}

#[test]
fn a_message_longer_than_allowed_is_refused_before_it_has_come() {
    let mut split = EventStreamSplitter::new(100);
    let e = split
        .push(Bytes::from_static(b"\x00\x00\x00\x65"))
        .unwrap_err();
    assert!(matches!(
        e,
        SplitError::TooLarge(TooLarge {
            max: 100,
            before: None
        })
    ));
    let short = EventStreamSplitter::new(100).push(Bytes::from_static(b"\x00\x00\x00\x0f"));
    assert!(matches!(short, Err(SplitError::Broken { .. })));
}

#[test]
fn half_a_message_is_left_when_the_stream_ends() {
    let whole = event("messageStop", "{}");
    let mut split = EventStreamSplitter::new(4096);
    assert_eq!(
        split.push(Bytes::copy_from_slice(&whole[..20])).unwrap(),
        None
    );
    let block = split.finish().unwrap();
    assert_eq!(block.raw, whole[..20]);
    assert!(!block.frames[0].is_complete());
    assert_eq!(split.finish(), None);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames_and_all_bytes(
        documents in prop::collection::vec("[ -~]{0,60}", 0..6),
        cuts in prop::collection::vec(0..600_usize, 0..8),
    ) {
        let mut stream = Vec::new();
        for document in &documents {
            stream.extend(event("contentBlockDelta", document));
        }
        let mut cuts: Vec<_> = cuts.into_iter().map(|at| at.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
        let (found, bytes) = cut(&chunks).unwrap();
        let data: Vec<_> = found.into_iter().map(|(_, data)| data).collect();
        prop_assert_eq!(data, documents);
        prop_assert_eq!(bytes, stream);
    }

    #[test]
    fn any_bytes_are_cut_or_refused(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5),
        length in 0..80_u8,
    ) {
        let mut stream = vec![0, 0, 0, length];
        stream.extend(chunks.concat());
        let _ = cut(&[&stream]);
    }
}
