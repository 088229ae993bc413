//! A cache keeps the bytes of a streamed reply and replays them, as a stream or as a whole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use portcullis_core::body::{Body, Ended};
use portcullis_core::context::{Context, Tokens};
use portcullis_core::error::codes;
use portcullis_core::llm::{
    Batch, Dialect, EventStream, Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Seen, Step,
    StreamEnd,
};
use portcullis_core::protocol::ArcService;
use portcullis_core::wire::sse::Splitter;

use crate::call::{Feed, call, events, next, post, read_now, streaming};
use crate::dialect::{DONE, PLAIN, failure, named};

type Store = Arc<Mutex<HashMap<String, Bytes>>>;

/// The policy: replays what `store` has of a prompt, else calls `inner` and stores what it streams.
fn cache(inner: ArcService<Llm>, store: Store) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| {
        let key = prompt(&request);
        let found = store.lock().unwrap().get(&key).cloned();
        let (inner, store) = (inner.clone(), store.clone());
        async move {
            if let Some(bytes) = found {
                return Ok(replay(request, bytes));
            }
            let mut reply = inner.send(request).await?;
            if let LlmOutput::Events(events) = reply.body {
                reply.body = LlmOutput::Events(keep(events, key, store));
            }
            Ok(reply)
        }
    })
}

fn prompt(request: &LlmRequest) -> String {
    let LlmInput::Json(payload) = &request.body else {
        panic!("these tests send chat calls");
    };
    let prompt = payload.view().unwrap().get(payload.raw(), PLAIN.prompt);
    prompt.unwrap().as_str().unwrap().into_owned()
}

/// Stores a stream under `key` once it is known to be whole. A broken one, or one whose reader left,
/// never comes to `None`; one that just stops is found out by what was seen of it.
fn keep(events: EventStream, key: String, store: Store) -> EventStream {
    let (mut kept, mut seen) = (BytesMut::new(), Seen::default());
    events.map_batches(move |batch| match batch {
        Some(batch) => {
            seen.note(&batch);
            kept.extend_from_slice(&batch.clone().into_bytes());
            Step::Emit(batch)
        }
        None => {
            if StreamEnd::judge(seen, Ended::Completed) == StreamEnd::Finished {
                let bytes = std::mem::take(&mut kept).freeze();
                store.lock().unwrap().insert(key.clone(), bytes);
            }
            Step::Hold
        }
    })
}

fn replay(request: LlmRequest, bytes: Bytes) -> LlmResponse {
    let (head, body) = if request.stream {
        let (head, body) = events(Body::from(bytes)).into_parts();
        let stream = EventStream::read(body, request.dialect.clone());
        (head, LlmOutput::Events(stream))
    } else {
        let (head, ()) = http::Response::new(()).into_parts();
        let whole = fold(&*request.dialect, bytes);
        (head, LlmOutput::Whole(whole.into()))
    };
    LlmResponse::new(head, request.dialect, body)
}

/// The whole reply a stream of these bytes amounts to.
fn fold(dialect: &dyn Dialect, bytes: Bytes) -> Bytes {
    let toy = named(dialect.name());
    let (mut text, mut tokens) = (String::new(), Tokens::default());
    let block = Splitter::new(bytes.len()).push(bytes).unwrap().unwrap();
    let batch = Batch::read(block, dialect);
    for event in batch.events() {
        let data = batch.data(event);
        text += &toy.text_of(&data).unwrap_or_default();
        dialect.usage(&data, &mut tokens);
    }
    toy.whole(&text, [tokens.input, tokens.output])
}

/// A cache over a provider that streams `feed` to every call, and how often it was called.
fn cached(feed: impl Fn() -> Feed + Send + Sync + 'static) -> (ArcService<Llm>, Arc<AtomicUsize>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let provider = streaming(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        feed().body().0
    });
    (cache(provider, Store::default()), calls)
}

async fn ask(service: &ArcService<Llm>, stream: bool) -> Body {
    let asked = PLAIN.request("m", stream, "hi");
    let asked = post("/v1/plain", asked, &Context::default());
    call(service.clone(), asked).await.into_body()
}

fn reply() -> [Bytes; 5] {
    let (he, llo) = (PLAIN.text("he"), PLAIN.text("llo"));
    [he, llo, PLAIN.usage([1, 2]), PLAIN.finish(), DONE.into()]
}

#[tokio::test]
async fn a_finished_stream_is_replayed_byte_for_byte_and_folded() {
    let (service, calls) = cached(|| Feed::new(reply()));
    let first = read_now(ask(&service, true).await).unwrap();
    let again = read_now(ask(&service, true).await).unwrap();
    assert_eq!(first, reply().concat());
    assert_eq!(again, first);
    let whole = read_now(ask(&service, false).await).unwrap();
    assert_eq!(whole, PLAIN.whole("hello", [1, 2]));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stream_that_is_not_whole_is_never_kept() {
    let not_whole: [fn() -> Feed; 3] = [
        || Feed::new([PLAIN.text("he")]),
        || Feed::new([PLAIN.text("he")]).breaks(&codes::UPSTREAM_BROKEN),
        || Feed::new([PLAIN.text("he"), failure("overloaded"), PLAIN.finish()]),
    ];
    for feed in not_whole {
        let (service, calls) = cached(feed);
        read_now(ask(&service, true).await).unwrap();
        read_now(ask(&service, true).await).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn a_stream_whose_reader_left_is_not_kept() {
    let (service, calls) = cached(|| Feed::new(reply()));
    let mut body = ask(&service, true).await;
    next(&mut body).await.unwrap().unwrap();
    drop(body);
    ask(&service, true).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}
