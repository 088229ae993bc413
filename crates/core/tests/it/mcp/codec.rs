//! One HTTP exchange as none, one or many calls.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode, request};
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis_core::body::Body;
use portcullis_core::context::{Context, HasContext, Outcome};
use portcullis_core::error::{Error, codes};
use portcullis_core::protocol::{ArcService, Codec, Protocol};
use portcullis_core::respond::{PickRender, Render};
use portcullis_core::wire::sse;
use portcullis_core::{Request, Response};
use serde_json::{Value, json};

use super::protocol::{Ask, Mcp, McpOutput, McpRequest, Messages};
use crate::call::{MAX, events};

pub(crate) const SESSION: &str = "mcp-session-id";

pub(crate) struct McpCodec;

impl PickRender for McpCodec {
    fn pick(&self, _: &request::Parts) -> Arc<dyn Render> {
        Arc::new(JsonRpc)
    }
}

impl Codec<Mcp> for McpCodec {
    async fn serve(&self, mut request: Request, inner: ArcService<Mcp>) -> Result<Response, Error> {
        let context = request.context().clone();
        context.record(|exchange| exchange.protocol = Mcp::NAME);
        let session = session(&request)?;
        let ask = |ask| {
            let (context, session) = (context.clone(), session.clone());
            send(
                &inner,
                McpRequest {
                    context,
                    session,
                    ask,
                },
            )
        };
        let asked = match *request.method() {
            Method::GET => return ask(Ask::Listen).await.map(write_one),
            Method::DELETE => return ask(Ask::Close).await.map(write_one),
            _ => request.into_body().collect(MAX).await?,
        };
        match serde_json::from_slice(&asked) {
            Ok(Value::Array(batch)) => {
                let batch = batch.into_iter().map(Ask::read).collect::<Option<Vec<_>>>();
                let mut outputs = Vec::new();
                for message in batch.ok_or_else(no_message)? {
                    outputs.push(ask(message).await?);
                }
                Ok(write_all(outputs))
            }
            Ok(message) => {
                let message = Ask::read(message).ok_or_else(no_message)?;
                ask(message).await.map(write_one)
            }
            Err(e) => Err(no_message().because(e)),
        }
    }
}

fn session(request: &Request) -> Result<Arc<str>, Error> {
    let named = request.headers().get(SESSION);
    let named = named.and_then(|session| session.to_str().ok());
    named
        .map(Arc::from)
        .ok_or_else(|| Error::new(&codes::INVALID_FIELD, "no session is named"))
}

fn no_message() -> Error {
    Error::new(&codes::BODY_NOT_JSON, "the body is not a message")
}

/// Makes one call. What fails with an id is answered here: who renders errors of the exchange knows its head,
/// not the ids in its body.
async fn send(inner: &ArcService<Mcp>, request: McpRequest) -> Result<McpOutput, Error> {
    let (context, id) = (request.context.clone(), request.ask.id().cloned());
    match (inner.send(request).await, id) {
        (Ok(reply), _) => Ok(reply.0),
        (Err(error), Some(id)) => {
            note(&context, &error);
            Ok(McpOutput::Message(failed(&id, &error)))
        }
        (Err(error), None) => Err(error),
    }
}

fn note(context: &Context, error: &Error) {
    context.record(|exchange| {
        exchange.outcome = Outcome::Failed(error.code());
        exchange.error = Some(error.chain().into());
    });
}

fn failed(id: &Value, error: &Error) -> Value {
    json!({"id": id, "error": {"code": error.code().name}})
}

fn write_one(output: McpOutput) -> Response {
    match output {
        McpOutput::Accepted => accepted(),
        McpOutput::Message(message) => http::Response::new(message.to_string().into()),
        McpOutput::Messages(messages) => stream_of(messages),
    }
}

/// The replies to a batch: a list, or one stream if any of them is one.
fn write_all(outputs: Vec<McpOutput>) -> Response {
    let (mut whole, mut streams) = (Vec::new(), Vec::new());
    for output in outputs {
        match output {
            McpOutput::Accepted => {}
            McpOutput::Message(message) => whole.push(message),
            McpOutput::Messages(messages) => streams.push(messages),
        }
    }
    if !streams.is_empty() {
        let messages = stream::iter(whole).chain(stream::select_all(streams));
        return stream_of(Box::pin(messages));
    }
    if whole.is_empty() {
        return accepted();
    }
    http::Response::new(Value::Array(whole).to_string().into())
}

fn accepted() -> Response {
    let mut reply = http::Response::new(Body::empty());
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply
}

fn stream_of(messages: Messages) -> Response {
    let frames = messages.map(|message| {
        let event = sse::encode(None, message.to_string().as_bytes());
        Ok::<_, Infallible>(Frame::data(event))
    });
    events(Body::new(StreamBody::new(frames)))
}

/// How errors that belong to no single message are told.
pub(super) struct JsonRpc;

impl Render for JsonRpc {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        let body = failed(&Value::Null, error).to_string();
        (body.into(), HeaderValue::from_static("application/json"))
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        let message = failed(&Value::Null, error).to_string();
        Some(sse::encode(None, message.as_bytes()))
    }
}
