//! The LLM call: its typed request and reply, between decoding and the provider.
//!
//! Bytes are kept: a request or reply nobody edits goes on exactly as it came. What a wire format means is
//! behind [`Dialect`]; what the stream of a reply is, behind [`EventStream`].

mod batch;
mod blocks;
mod codec;
mod dialect;
mod end;
mod meter;
mod patience;
mod peek;
mod proof;
mod refusal;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::CONTENT_LENGTH;
use http::{request, response};

use crate::body::{Body, End, Ended};
use crate::context::{Context, HasContext, Tokens};
use crate::payload::{Doc, Payload};
use crate::protocol::{Protocol, Reply};

pub use batch::{Batch, Event, EventKind};
pub use blocks::Blocks;
pub use codec::{Claim, LlmCodec, MAX_REQUEST, MODEL_HEADER, api_path};
pub use dialect::{Dialect, Head, Operation};
pub use end::{Seen, StreamEnd};
pub use meter::Metered;
pub use patience::{Patience, Patient};
pub use peek::MAX_PEEK;
pub use proof::{Asked, LlmProof};
pub use stream::{EventStream, MAX_EVENT, Step};

/// The LLM protocol.
#[derive(Clone, Copy, Debug)]
pub struct Llm;

impl Protocol for Llm {
    const NAME: &'static str = "llm";
    type Request = LlmRequest;
    type Response = LlmResponse;
}

/// One LLM call. Cloning counts references, so that retry, failover, hedging and mirroring are cheap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LlmRequest {
    /// What the call carries along.
    pub context: Context,
    /// The HTTP head as it came.
    pub head: Arc<request::Parts>,
    /// The wire format it is written in.
    pub dialect: Arc<dyn Dialect>,
    /// What is asked.
    pub operation: Operation,
    /// The model asked for; empty where the operation names none.
    pub model: Arc<str>,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Whether the caller asked for usage in the stream, in dialects where that is asked for.
    pub usage_asked: bool,
    /// What was sent.
    pub body: LlmInput,
}

impl LlmRequest {
    /// How many input tokens the call probably uses, by the size of its document; none where nothing is
    /// known, as with a body that is not read.
    pub fn estimate_input(&self) -> Option<u64> {
        let bytes = self.counted_bytes();
        (bytes > 0).then(|| bytes.div_ceil(meter::BYTES_PER_TOKEN))
    }

    /// The bytes of a document that tokens are counted of.
    fn counted_bytes(&self) -> u64 {
        match (&self.body, self.operation) {
            (LlmInput::Json(payload), Operation::Chat | Operation::Embeddings) => {
                payload.raw().len() as u64
            }
            _ => 0,
        }
    }
}

/// The body of an LLM request.
#[derive(Clone, Debug)]
pub enum LlmInput {
    /// A JSON document, looked into only where somebody needs to.
    Json(Payload<Doc>),
    /// A body the gateway does not model: streamed and uninspected.
    Opaque(TakeOnce),
}

/// A streamed body that can be sent once. Clones share it.
#[derive(Clone)]
pub struct TakeOnce(Arc<Mutex<Option<Body>>>);

impl TakeOnce {
    /// Wraps a body.
    pub fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// The body, the first time; `None` after that: the request cannot be sent again.
    pub fn take(&self) -> Option<Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether it has been taken.
    pub fn is_taken(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

impl fmt::Debug for TakeOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TakeOnce")
    }
}

/// What an upstream, or the gateway's own backend, replied.
#[derive(Debug)]
#[non_exhaustive]
pub struct LlmResponse {
    /// The HTTP head.
    pub head: response::Parts,
    /// The wire format it is written in.
    pub dialect: Arc<dyn Dialect>,
    /// What was replied.
    pub body: LlmOutput,
    /// What a whole reply used, where who wrote it knows: a translator, who read the upstream's own count. Else
    /// it is read from the reply.
    pub usage: Option<Tokens>,
    ends: Ends,
}

/// Who waits for the end of a whole reply. One that is dropped unwritten tells them that its reader left.
#[derive(Default)]
struct Ends(Vec<Box<dyn FnOnce(End) + Send>>);

impl LlmResponse {
    /// A reply in `dialect`.
    pub fn new(head: response::Parts, dialect: Arc<dyn Dialect>, body: LlmOutput) -> Self {
        Self {
            head,
            dialect,
            body,
            usage: None,
            ends: Ends::default(),
        }
    }

    /// The reply as HTTP. What nobody edited is the bytes received.
    pub fn into_http(self) -> http::Response<Body> {
        let Self {
            mut head,
            body,
            ends,
            ..
        } = self;
        let body = match body {
            LlmOutput::Whole(payload) => {
                // It may have been edited, and the server knows how long it is.
                head.headers.remove(CONTENT_LENGTH);
                ends.of(Body::from(payload.raw().clone()))
            }
            LlmOutput::Events(events) => {
                head.headers.remove(CONTENT_LENGTH);
                events.into_body()
            }
            LlmOutput::Opaque(body) => body,
        };
        http::Response::from_parts(head, body)
    }
}

impl Ends {
    /// Tells of the end of `body` instead. Who asked first is told first.
    fn of(mut self, body: Body) -> Body {
        let waiting = std::mem::take(&mut self.0);
        waiting.into_iter().fold(body, Body::on_end)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        for f in self.0.drain(..) {
            f(End {
                how: Ended::Left,
                bytes: 0,
            });
        }
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waiting", self.0.len())
    }
}

/// The body of an LLM reply.
#[derive(Debug)]
pub enum LlmOutput {
    /// A whole document.
    Whole(Payload<Doc>),
    /// A stream of events.
    Events(EventStream),
    /// A body the gateway does not model.
    Opaque(Body),
}

impl HasContext for LlmRequest {
    fn context(&mut self) -> &Context {
        &self.context
    }
}

impl Reply for LlmResponse {
    fn status(&self) -> http::StatusCode {
        self.head.status
    }

    fn on_end(mut self, f: impl FnOnce(End) + Send + 'static) -> Self {
        self.body = match self.body {
            LlmOutput::Whole(payload) => {
                self.ends.0.push(Box::new(f));
                LlmOutput::Whole(payload)
            }
            LlmOutput::Events(events) => LlmOutput::Events(events.on_end(f)),
            LlmOutput::Opaque(body) => LlmOutput::Opaque(body.on_end(f)),
        };
        self
    }
}
