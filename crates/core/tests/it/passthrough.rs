//! A streamed reply nobody edits is the bytes received, at any chunking; hiding takes out whole events.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use portcullis_core::body::Body;
use portcullis_core::context::Context;
use portcullis_core::llm::{
    EventKind, EventStream, LlmInput, LlmOutput, LlmRequest, LlmResponse, Step,
};
use portcullis_core::protocol::ArcService;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::call::{Feed, call, chunked, post, read_now};
use crate::dialect::{DONE, PLAIN};

fn read(bytes: &Bytes, cuts: &[usize]) -> EventStream {
    EventStream::read(Feed::new(chunked(bytes, cuts)).body().0, Arc::new(PLAIN))
}

fn some_event() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        ".{0,8}".prop_map(|text| PLAIN.text(&text)),
        any::<[u64; 2]>().prop_map(|usage| PLAIN.usage(usage)),
        Just(PLAIN.finish()),
        Just(Bytes::from_static(DONE.as_bytes())),
        Just(Bytes::from_static(b": idle\n\n")),
        Just(Bytes::from_static(
            b"event: news\nid: 7\ndata: 1\ndata: 2\n\n"
        )),
    ]
}

proptest! {
    #[test]
    fn any_bytes_leave_as_they_came(
        bytes in vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..200),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let bytes = Bytes::from(bytes);
        prop_assert_eq!(read_now(read(&bytes, &cuts).into_body()).unwrap(), bytes);
    }

    #[test]
    fn exactly_the_hidden_events_are_missing(
        events in vec(some_event(), 0..12),
        cuts in vec(any::<usize>(), 0..8),
    ) {
        let kept = events.iter().filter(|e| !e.starts_with(b"data: {\"usage\""));
        let kept = kept.flatten().copied().collect::<Bytes>();
        let hidden = read(&events.concat().into(), &cuts).map_batches(|batch| match batch {
            Some(mut batch) => {
                batch.hide(|event| event.kind() == EventKind::Usage);
                Step::Emit(batch)
            }
            None => Step::Hold,
        });
        prop_assert_eq!(read_now(hidden.into_body()).unwrap(), kept);
    }
}

#[tokio::test]
async fn the_whole_line_keeps_request_and_reply_bytes() {
    const ODD: &str = "{ \"prompt\" : \"\\u0068i\",\t\"model\":\"m\", \"unknown\": 1.0e0 }";
    let echo = ArcService::from_fn(|request: LlmRequest| async move {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::IM_A_TEAPOT;
        let LlmInput::Json(payload) = request.body else {
            panic!("a chat call is read");
        };
        let body = LlmOutput::Whole(payload);
        Ok(LlmResponse::new(head, request.dialect, body))
    });
    let asked = post("/team/v1/plain?x=1", Body::from(ODD), &Context::default());
    let reply = call(echo, asked).await;
    assert_eq!(reply.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(read_now(reply.into_body()).unwrap(), ODD);
}
