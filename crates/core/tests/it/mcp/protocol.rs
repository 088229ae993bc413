//! The types of the fake protocol.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_util::Stream;
use http::StatusCode;
use portcullis_core::body::{End, Ended};
use portcullis_core::context::{Context, HasContext};
use portcullis_core::protocol::{Protocol, Reply};
use serde_json::Value;

pub(crate) struct Mcp;

impl Protocol for Mcp {
    const NAME: &'static str = "mcp";
    type Request = McpRequest;
    type Response = McpReply;
}

/// One message, or one thing done to a session.
#[derive(Clone)]
pub(crate) struct McpRequest {
    pub(crate) context: Context,
    pub(crate) session: Arc<str>,
    pub(crate) ask: Ask,
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// A call, which has an id; a notification, which has none.
    Call { id: Option<Value>, method: String },
    /// The client's answer to something the server asked.
    Answer { id: Value, result: Value },
    /// Listen to the server.
    Listen,
    /// End the session.
    Close,
}

impl Ask {
    /// Reads one message.
    pub(super) fn read(mut message: Value) -> Option<Self> {
        let message = message.as_object_mut()?;
        let id = message.remove("id");
        if let Some(Value::String(method)) = message.remove("method") {
            return Some(Self::Call { id, method });
        }
        let result = message.remove("result")?;
        Some(Self::Answer { id: id?, result })
    }

    pub(super) fn id(&self) -> Option<&Value> {
        match self {
            Self::Call { id, .. } => id.as_ref(),
            Self::Answer { id, .. } => Some(id),
            Self::Listen | Self::Close => None,
        }
    }
}

impl HasContext for McpRequest {
    fn context(&mut self) -> &Context {
        &self.context
    }
}

pub(crate) struct McpReply(pub(crate) McpOutput);

pub(crate) enum McpOutput {
    Accepted,
    Message(Value),
    Messages(Messages),
}

/// Messages as they come, questions of the server among them.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Value> + Send>>;

impl Reply for McpReply {
    fn status(&self) -> StatusCode {
        match self.0 {
            McpOutput::Accepted => StatusCode::ACCEPTED,
            McpOutput::Message(_) | McpOutput::Messages(_) => StatusCode::OK,
        }
    }

    /// What is at hand has ended already: nothing feeds it any more.
    fn on_end(self, f: impl FnOnce(End) + Send + 'static) -> Self {
        match self.0 {
            McpOutput::Messages(inner) => {
                let (inner, f) = (Some(inner), Some(f));
                Self(McpOutput::Messages(Box::pin(Ending { inner, f })))
            }
            at_hand => {
                f(end(Ended::Completed));
                Self(at_hand)
            }
        }
    }
}

fn end(how: Ended) -> End {
    End { how, bytes: 0 }
}

struct Ending<F: FnOnce(End)> {
    inner: Option<Messages>,
    f: Option<F>,
}

impl<F: FnOnce(End)> Ending<F> {
    fn end(&mut self, how: Ended) {
        self.inner = None;
        if let Some(f) = self.f.take() {
            f(end(how));
        }
    }
}

impl<F: FnOnce(End)> Unpin for Ending<F> {}

impl<F: FnOnce(End)> Stream for Ending<F> {
    type Item = Value;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Value>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let message = std::task::ready!(inner.as_mut().poll_next(cx));
        if message.is_none() {
            self.end(Ended::Completed);
        }
        Poll::Ready(message)
    }
}

impl<F: FnOnce(End)> Drop for Ending<F> {
    fn drop(&mut self) {
        self.end(Ended::Left);
    }
}
