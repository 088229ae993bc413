//! Streams of events whose errors become their last event.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body::Frame;

use super::{Render, note};
use crate::body::Body;
use crate::context::Context;
use crate::error::Error;

/// Renders the error a stream of events breaks off with as its last event. Other replies stay as they are.
pub(super) fn guard(
    reply: http::Response<Body>,
    render: Arc<dyn Render>,
    context: Option<Context>,
) -> http::Response<Body> {
    let kind = reply.headers().get(CONTENT_TYPE);
    if !render.is_stream(kind.map_or(b"", HeaderValue::as_bytes)) {
        return reply;
    }
    reply.map(|body| {
        Body::new(Guard {
            body,
            render,
            context,
            begun: false,
            ended: false,
        })
    })
}

struct Guard {
    body: Body,
    render: Arc<dyn Render>,
    context: Option<Context>,
    /// Whether anything of the stream has gone out.
    begun: bool,
    ended: bool,
}

impl http_body::Body for Guard {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) => {
                self.ended = true;
                self.body = Body::empty();
                note(self.context.as_ref(), &error);
                let last = if self.begun {
                    self.render.in_stream(&error)
                } else {
                    self.render.at_start(&error)
                };
                Poll::Ready(Some(last.ok_or(error).map(Frame::data)))
            }
            Some(Ok(frame)) => {
                self.begun |= frame.data_ref().is_some_and(|data| !data.is_empty());
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }
}
