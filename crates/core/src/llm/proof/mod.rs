//! When an LLM reply has proved itself: at its first content.

mod held;
mod prefix;

use std::sync::Arc;

use futures_core::Stream;
use http::{HeaderName, HeaderValue, Method};

use super::{
    Batch, Dialect, EventKind, EventStream, Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse,
    Operation, refusal,
};
use crate::BoxFuture;
use crate::attempt::{Class, Proof, Proven, Rejected, Rest, Served, exhausted, retry_after};
use crate::backend::Affinity;
use crate::context::Turn;

/// Bytes of a stream that are read ahead of its first content. A stream that has said more has proved that it
/// says something.
const MAX_AHEAD: usize = 1 << 20;

const SERVED_BY: HeaderName = HeaderName::from_static("portcullis-served-by");
const ATTEMPTS: HeaderName = HeaderName::from_static("portcullis-attempts");

/// Reads replies up to the first content: text, reasoning, a refusal or a piece of a tool call, or the finish
/// of a reply that has none. An error event before it is a failed attempt, whatever the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlmProof;

/// What must be known of a call to judge its replies.
#[derive(Clone, Debug)]
pub struct Asked {
    operation: Operation,
    model: bool,
    /// In what a stream is asked for, if one is.
    stream: Option<Arc<dyn Dialect>>,
}

type Judged = Result<Proven<Llm>, Rejected<Llm>>;

impl Proof<Llm> for LlmProof {
    type Asked = Asked;

    fn asked(&self, request: &LlmRequest) -> Asked {
        let stream = request.stream && request.head.method == Method::POST;
        Asked {
            operation: request.operation,
            model: !request.model.is_empty(),
            stream: stream.then(|| request.dialect.clone()),
        }
    }

    fn key(&self, request: &LlmRequest, affinity: &Affinity) -> Option<u64> {
        affinity.of(&request.head.headers)
    }

    fn copy(&self, request: &LlmRequest, turn: Arc<Turn>) -> LlmRequest {
        LlmRequest {
            context: request.context.of_turn(turn),
            ..request.clone()
        }
    }

    fn is_replayable(&self, request: &LlmRequest) -> bool {
        match &request.body {
            LlmInput::Json(_) => true,
            LlmInput::Opaque(once) => !once.is_taken(),
        }
    }

    fn prove(&self, asked: Asked, mut reply: LlmResponse) -> BoxFuture<'static, Judged> {
        if let Some(class) = failed(&asked, &reply) {
            let rejected = Rejected {
                class,
                after: retry_after(&reply.head.headers),
                reply: Ok(reply),
            };
            return Box::pin(std::future::ready(Err(rejected)));
        }
        match std::mem::replace(&mut reply.body, LlmOutput::Events(EventStream::empty())) {
            LlmOutput::Events(events) if reply.head.status.is_success() => {
                Box::pin(read_ahead(reply, events))
            }
            body => {
                reply.body = body;
                Box::pin(std::future::ready(Ok(proven(reply))))
            }
        }
    }

    fn can_hold(&self, asked: &Asked) -> bool {
        asked
            .stream
            .as_ref()
            .is_some_and(|dialect| dialect.keep_alive().is_some())
    }

    fn hold(&self, asked: Asked, rest: Rest<Llm>) -> Result<LlmResponse, Rest<Llm>> {
        match asked.stream {
            Some(dialect) => Ok(held::reply(dialect, rest)),
            None => Err(rest),
        }
    }

    fn tell(&self, reply: &mut LlmResponse, served: &Served<'_>) {
        let headers = &mut reply.head.headers;
        if let Ok(endpoint) = HeaderValue::from_str(served.endpoint) {
            headers.insert(SERVED_BY, endpoint);
        }
        headers.insert(ATTEMPTS, HeaderValue::from(served.attempts));
    }
}

fn proven(reply: LlmResponse) -> Proven<Llm> {
    Proven {
        rest: exhausted(&reply.head.headers),
        reply,
    }
}

/// What the head, and a whole body, say against a reply.
fn failed(asked: &Asked, reply: &LlmResponse) -> Option<Class> {
    let class = Class::of_status(reply.head.status);
    let LlmOutput::Whole(payload) = &reply.body else {
        return class.map(|class| about(asked, class));
    };
    let Some(class) = class else {
        let reads = asked.operation.reads_body() && reply.head.status.is_success();
        return (reads && !is_document(payload.raw())).then_some(Class::Unreadable);
    };
    Some(match (class, refusal::read(payload.raw())) {
        // Their words say more than these statuses.
        (
            Class::Refused | Class::RateLimited | Class::Unauthorized | Class::Faulty,
            Some(words),
        ) => words,
        _ => about(asked, class),
    })
}

/// A file that is not there is an answer; a model that is not there may be elsewhere.
fn about(asked: &Asked, class: Class) -> Class {
    match class {
        Class::Missing if !asked.model => Class::Refused,
        class => class,
    }
}

/// Whether this looks like a JSON document from both ends. Whether it is one is for its reader to find.
fn is_document(raw: &[u8]) -> bool {
    let raw = raw.trim_ascii();
    matches!(
        (raw.first(), raw.last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    )
}

/// Reads a stream up to its first content.
async fn read_ahead(mut reply: LlmResponse, mut events: EventStream) -> Judged {
    let mut ahead: Vec<Batch> = Vec::new();
    let mut bytes = 0;
    loop {
        let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut events).poll_next(cx)).await;
        let Some(batch) = next.transpose()? else {
            reply.body = LlmOutput::Events(prefix::before(ahead, EventStream::empty()));
            return Ok(proven(reply));
        };
        bytes += batch.raw().len();
        let judged = judge(&batch);
        ahead.push(batch);
        match judged {
            Some(Ok(())) => break,
            Some(Err(class)) => {
                // The upstream is let go of; what it said is kept for the caller.
                drop(events);
                reply.body = LlmOutput::Events(prefix::before(ahead, EventStream::empty()));
                return Err(Rejected {
                    class,
                    after: retry_after(&reply.head.headers),
                    reply: Ok(reply),
                });
            }
            None if bytes > MAX_AHEAD => break,
            None => {}
        }
    }
    reply.body = LlmOutput::Events(prefix::before(ahead, events));
    Ok(proven(reply))
}

/// Whether a batch proves its stream, or speaks against it.
fn judge(batch: &Batch) -> Option<Result<(), Class>> {
    batch.events().iter().find_map(|event| match event.kind() {
        EventKind::Content | EventKind::Finish | EventKind::Done => Some(Ok(())),
        EventKind::Error => {
            let words = refusal::read(&batch.data(event));
            Some(Err(words.unwrap_or(Class::Faulty)))
        }
        EventKind::Unparsable => Some(Err(Class::Unreadable)),
        EventKind::Usage | EventKind::KeepAlive | EventKind::Other => None,
    })
}
