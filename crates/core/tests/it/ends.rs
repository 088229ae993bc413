//! Every reply tells once how it ended, after what feeds it was dropped.

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use portcullis_core::Response;
use portcullis_core::body::{Body, End, Ended};
use portcullis_core::context::Context;
use portcullis_core::error::codes;
use portcullis_core::llm::{
    Batch, EventKind, EventStream, Llm, LlmOutput, LlmRequest, LlmResponse, Step,
};
use portcullis_core::protocol::{ArcService, Reply};

use crate::call::{Feed, call, next, post, watch};
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
async fn a_whole_reply_ends_when_the_caller_has_its_bytes() {
    let (send, told) = mpsc::channel();
    let provider = whole_of_declared_length();
    let service = watch(provider, move |end| send.send(end.how).unwrap());
    let body = ask(service).await.into_body();
    assert!(told.try_recv().is_err(), "nobody has read it");
    body.collect(1000).await.unwrap();
    assert_eq!(told.recv().unwrap(), Ended::Completed);
}

#[tokio::test]
async fn no_reply_that_was_edited_keeps_the_length_it_had() {
    let whole = edited(whole_of_declared_length());
    let stream = edited(stream_of_declared_length());
    for service in [
        whole.clone(),
        stream.clone(),
        watch(whole, drop),
        watch(stream, drop),
    ] {
        let (head, body) = ask(service).await.into_parts();
        let declared = head.headers.get(CONTENT_LENGTH);
        let length = body.collect(1000).await.unwrap().len();
        assert!(declared.is_none_or(|declared| *declared == length.to_string()));
    }
}

async fn ask(service: ArcService<Llm>) -> Response {
    let asked = PLAIN.request("m", true, "hi");
    call(service, post("/v1/plain", asked, &Context::default())).await
}

/// A provider whose upstream declares the length of its reply.
fn declaring(reply: Bytes, make: fn(Bytes) -> LlmOutput) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| {
        let head = http::Response::builder().header(CONTENT_LENGTH, reply.len());
        let (head, ()) = head.body(()).unwrap().into_parts();
        let reply = LlmResponse::new(head, request.dialect, make(reply.clone()));
        async move { Ok(reply) }
    })
}

fn whole_of_declared_length() -> ArcService<Llm> {
    let reply = PLAIN.whole("hi", [1, 1]);
    declaring(reply, |reply| LlmOutput::Whole(reply.into()))
}

fn stream_of_declared_length() -> ArcService<Llm> {
    let reply = [PLAIN.text("hi"), PLAIN.usage([1, 1])].concat();
    declaring(reply.into(), |reply| stream(reply.into()))
}

/// A policy that makes every reply shorter.
fn edited(inner: ArcService<Llm>) -> ArcService<Llm> {
    ArcService::from_fn(move |request| {
        let reply = inner.send(request);
        async move {
            let mut reply = reply.await?;
            reply.body = match reply.body {
                LlmOutput::Whole(_) => LlmOutput::Whole(PLAIN.whole("", [1, 1]).into()),
                LlmOutput::Events(events) => LlmOutput::Events(events.map_batches(shorter)),
                opaque => opaque,
            };
            Ok(reply)
        }
    })
}

fn shorter(batch: Option<Batch>) -> Step {
    match batch {
        Some(mut batch) => {
            batch.hide(|event| event.kind() == EventKind::Usage);
            Step::Emit(batch)
        }
        None => Step::Hold,
    }
}
