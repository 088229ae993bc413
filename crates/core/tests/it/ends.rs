//! Every reply tells once how it ended, after what feeds it was dropped.

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use portcullis_core::body::{Body, End, Ended};
use portcullis_core::error::codes;
use portcullis_core::llm::{EventStream, LlmOutput, LlmResponse};
use portcullis_core::protocol::Reply;

use crate::call::{Feed, next};
use crate::dialect::PLAIN;

type Make = fn(Body) -> LlmOutput;

fn stream(body: Body) -> LlmOutput {
    LlmOutput::Events(EventStream::read(body, Arc::new(PLAIN)))
}

/// Each kind of reply that is fed by a body.
const FED: [Make; 2] = [stream, LlmOutput::Opaque];

/// The ends told, each with whether the feed was gone by then.
type Told = mpsc::Receiver<(End, bool)>;

fn watched(feed: Feed, make: Make) -> (Body, Told) {
    let (body, gone) = feed.body();
    let (send, told) = mpsc::channel();
    let (head, ()) = http::Response::new(()).into_parts();
    let reply = LlmResponse::new(head, Arc::new(PLAIN), make(body))
        .on_end(move |end| send.send((end, gone.is())).unwrap());
    let body = match reply.body {
        LlmOutput::Events(events) => events.into_body(),
        LlmOutput::Opaque(body) => body,
        LlmOutput::Whole(_) => unreachable!("made of a body"),
    };
    (body, told)
}

fn chunk() -> Bytes {
    PLAIN.text("hi")
}

#[tokio::test]
async fn read_to_its_end_it_completed() {
    for make in FED {
        let (body, told) = watched(Feed::new([chunk(), chunk()]), make);
        let read = body.collect(1000).await.unwrap();
        let end = End {
            how: Ended::Completed,
            bytes: read.len() as u64,
        };
        assert_eq!(told.iter().collect::<Vec<_>>(), [(end, true)]);
    }
}

#[tokio::test]
async fn broken_it_failed_with_the_code() {
    for make in FED {
        let feed = Feed::new([chunk()]).breaks(&codes::UPSTREAM_BROKEN);
        let (body, told) = watched(feed, make);
        body.collect(1000).await.unwrap_err();
        let told: Vec<_> = told.iter().collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0.how, Ended::Failed(&codes::UPSTREAM_BROKEN));
        assert!(told[0].1, "the feed is gone before anyone is told");
    }
}

#[tokio::test]
async fn dropped_in_the_middle_the_reader_left() {
    for make in FED {
        let (mut body, told) = watched(Feed::new([chunk()]).silent(), make);
        let read = next(&mut body).await.unwrap().unwrap();
        assert!(told.try_recv().is_err(), "it goes on");
        drop(body);
        let end = End {
            how: Ended::Left,
            bytes: read.len() as u64,
        };
        assert_eq!(told.iter().collect::<Vec<_>>(), [(end, true)]);
    }
}

#[test]
fn ends_are_told_from_the_inside_out() {
    let (send, told) = mpsc::channel();
    let inner = send.clone();
    let body = Body::from("x")
        .on_end(move |_| inner.send("inner").unwrap())
        .on_end(move |_| send.send("outer").unwrap());
    drop(body);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["inner", "outer"]);
}

#[tokio::test]
async fn a_whole_reply_ends_when_its_bytes_were_taken() {
    let (send, told) = mpsc::channel();
    let (head, ()) = http::Response::new(()).into_parts();
    let whole = LlmOutput::Whole(PLAIN.whole("hi", [1, 1]).into());
    let reply = LlmResponse::new(head, Arc::new(PLAIN), whole)
        .on_end(move |end| send.send(end.how).unwrap());
    assert!(told.try_recv().is_err(), "nobody has read it");
    let LlmOutput::Opaque(body) = reply.body else {
        panic!("a watched whole reply is a body");
    };
    body.collect(1000).await.unwrap();
    assert_eq!(told.iter().collect::<Vec<_>>(), [Ended::Completed]);
}
