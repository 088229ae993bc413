//! A guard on a stream: masks a word and stops at another, alike at every chunking.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use portcullis_core::body::Body;
use portcullis_core::context::{Context, Outcome};
use portcullis_core::error::{Code, Error, Fault, Kind};
use portcullis_core::llm::{Batch, EventKind, Llm, LlmOutput, LlmRequest, Step};
use portcullis_core::protocol::ArcService;
use portcullis_core::wire::sse::Splitter;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::call::{Feed, call, chunked, next, once, post, read_now, recorded, streaming};
use crate::dialect::{DONE, PLAIN, Toy, failure, named};

const MASKED: &str = "secret";
const STOPPED: &str = "poison";

static GUARDED: Code = Code {
    name: "guarded",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Client,
    about: "the reply is not for the caller",
    remedy: "ask for something else",
};

/// Holds back as much text as could be the beginning of a word it looks for, and no more.
struct Guard {
    dialect: Toy,
    held: String,
}

impl Guard {
    fn step(&mut self, batch: Option<&Batch>) -> Step {
        let mut out = BytesMut::new();
        let clean = match batch {
            Some(batch) => self.read(batch, &mut out),
            None => {
                self.flush(&mut out);
                true
            }
        };
        match (self.batch(out.freeze()), clean) {
            (Some(batch), true) => Step::Emit(batch),
            (None, true) => Step::Hold,
            (Some(batch), false) => Step::Last(batch, refusal()),
            (None, false) => Step::Stop(refusal()),
        }
    }

    /// Writes what may go on of a batch; returns whether all of it may.
    fn read(&mut self, batch: &Batch, out: &mut BytesMut) -> bool {
        for (at, event) in batch.events().iter().enumerate() {
            match event.kind() {
                EventKind::Content => {
                    self.held += &self.dialect.text_of(&batch.data(event)).unwrap();
                    self.held = self.held.replace(MASKED, "******");
                    if let Some(at) = self.held.find(STOPPED) {
                        self.held.truncate(at);
                        self.flush(out);
                        return false;
                    }
                    self.release(out);
                }
                EventKind::Finish | EventKind::Done | EventKind::Error => {
                    self.flush(out);
                    out.extend_from_slice(&only(batch, at));
                }
                _ => out.extend_from_slice(&only(batch, at)),
            }
        }
        true
    }

    /// Lets go of all text but the end that may turn out to be one of the words.
    fn release(&mut self, out: &mut BytesMut) {
        let begins = |tail: &str| MASKED.starts_with(tail) || STOPPED.starts_with(tail);
        let mut starts = self.held.char_indices().map(|(at, _)| at);
        let keep = starts.find(|at| begins(&self.held[*at..]));
        let rest = self.held.split_off(keep.unwrap_or(self.held.len()));
        self.flush(out);
        self.held = rest;
        assert!(self.held.len() < MASKED.len(), "the window is bounded");
    }

    fn flush(&mut self, out: &mut BytesMut) {
        let text = std::mem::take(&mut self.held);
        if !text.is_empty() {
            out.extend_from_slice(&self.dialect.text(&text));
        }
    }

    /// Edited bytes as a batch whose events those outside this policy still see.
    fn batch(&self, bytes: Bytes) -> Option<Batch> {
        let block = Splitter::new(usize::MAX).push(bytes).unwrap()?;
        Some(Batch::read(block, &self.dialect))
    }
}

/// The bytes of one event of a batch.
fn only(batch: &Batch, wanted: usize) -> Bytes {
    let (mut one, mut at) = (batch.clone(), 0..);
    one.hide(|_| at.next() != Some(wanted));
    one.into_bytes()
}

fn refusal() -> Error {
    Error::new(&GUARDED, GUARDED.about)
}

/// The policy: puts a guard on every streamed reply.
fn guarded(inner: ArcService<Llm>) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| {
        let reply = inner.send(request);
        async move {
            let mut reply = reply.await?;
            if let LlmOutput::Events(events) = reply.body {
                let mut guard = Guard {
                    dialect: named(reply.dialect.name()),
                    held: String::new(),
                };
                let events = events.map_batches(move |batch| guard.step(batch.as_ref()));
                reply.body = LlmOutput::Events(events);
            }
            Ok(reply)
        }
    })
}

/// What the caller gets of a stream of `body`, through the whole line.
async fn reply(body: Body, context: &Context) -> Body {
    let asked = post("/v1/plain", PLAIN.request("m", true, "hi"), context);
    call(guarded(streaming(once(body))), asked)
        .await
        .into_body()
}

/// What the caller gets of `bytes` when they arrive in these chunks.
fn delivered(bytes: &Bytes, cuts: &[usize]) -> Bytes {
    let body = Feed::new(chunked(bytes, cuts)).body().0;
    let reply = reply(body, &Context::default()).now_or_never();
    read_now(reply.expect("nothing is late")).unwrap()
}

/// The text of a stream, its events joined.
fn text(bytes: Bytes) -> String {
    let stream = Splitter::new(usize::MAX).push(bytes).unwrap();
    let batch = stream.map(|block| Batch::read(block, &PLAIN));
    let of = |batch: &Batch| {
        let events = batch.events().iter();
        events
            .filter_map(|event| PLAIN.text_of(&batch.data(event)))
            .collect()
    };
    batch.as_ref().map(of).unwrap_or_default()
}

fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "s", "se", "ecr", "cret", "et", "secret", "p", "oison", "poison", " ", "ü",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_stream_is_edited_as_its_whole_text_at_every_chunking(
        pieces in vec(piece(), 0..12),
        cuts in vec(any::<usize>(), 0..12),
    ) {
        let ping = Bytes::from_static(b"event: ping\ndata: 1\n\n");
        let texts = pieces.iter().flat_map(|piece| [PLAIN.text(piece), ping.clone()]);
        let tail = [PLAIN.finish(), DONE.into()];
        let bytes = texts.chain(tail).flatten().collect::<Bytes>();

        let whole = pieces.concat().replace(MASKED, "******");
        let (passes, poisoned) = match whole.find(STOPPED) {
            Some(at) => (&whole[..at], true),
            None => (&*whole, false),
        };
        let delivered_whole = delivered(&bytes, &[]);
        prop_assert_eq!(delivered(&bytes, &cuts), &delivered_whole);
        prop_assert_eq!(text(delivered_whole.clone()), passes);
        prop_assert_eq!(delivered_whole.ends_with(&failure("guarded")), poisoned);
        prop_assert_eq!(delivered_whole.ends_with(DONE.as_bytes()), !poisoned);
    }
}

#[test]
fn what_carries_no_text_passes_untouched() {
    let odd = b": hello\n\nevent: ping\nid: 4\ndata: 1\n\ndata: not json\n\n";
    let bytes = Bytes::from_static(odd);
    assert_eq!(delivered(&bytes, &[]), bytes);
}

#[tokio::test]
async fn a_stopped_stream_drops_its_upstream_at_once_and_ends_with_the_error() {
    let (context, records) = recorded();
    let hold = context.hold();
    let chunks = [
        PLAIN.text("fine poi"),
        PLAIN.text("son"),
        PLAIN.text("more"),
    ];
    let (body, gone) = Feed::new(chunks).silent().body();
    let mut body = reply(body, &context).await;
    let first = next(&mut body).await.unwrap().unwrap();
    assert_eq!(first, PLAIN.text("fine "));
    assert!(!gone.is());

    let last = next(&mut body).await.unwrap().unwrap();
    assert_eq!(last, failure("guarded"));
    assert!(gone.is(), "while the caller still holds the reply");
    assert!(next(&mut body).await.is_none());
    drop(hold);
    let record = records.try_recv().unwrap();
    assert_eq!(record.outcome, Outcome::Failed(&GUARDED));
}

#[tokio::test]
async fn text_before_the_stop_goes_out_with_the_upstream_gone_already() {
    let (body, gone) = Feed::new([PLAIN.text("fine poison")]).silent().body();
    let mut body = reply(body, &Context::default()).await;
    let first = next(&mut body).await.unwrap().unwrap();
    assert_eq!(first, PLAIN.text("fine "));
    assert!(gone.is());
    let last = next(&mut body).await.unwrap().unwrap();
    assert_eq!(last, failure("guarded"));
}
