//! Encode: Gemini's dialect as translation reads and writes it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use portcullis_core::error::Error;

use super::stream::{Reader, Writer};
use super::{Generate, reply, request as requests, schema, trouble, url};
use crate::translate::{
    Asked, Conversation, EventReader, EventWriter, Losses, Reply, Target, Trouble, Wire, Written,
};

impl Wire for Generate {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn prepared<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        schema::prepared(body)
    }

    fn read_request<'a>(
        &self,
        head: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error> {
        requests::read(head, body, losses)
    }

    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        requests::write(conversation, target, losses)
    }

    fn read_reply<'a>(&self, body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error> {
        reply::read(body, losses)
    }

    fn write_reply(
        &self,
        reply: &Reply<'_>,
        asked: &Asked,
        losses: &mut Losses,
    ) -> Result<Bytes, Error> {
        reply::write(reply, asked, losses)
    }

    fn read_trouble<'a>(
        &self,
        status: StatusCode,
        _: &'a HeaderMap,
        body: &'a [u8],
    ) -> Trouble<'a> {
        trouble::read(status, body)
    }

    fn write_trouble(&self, trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Bytes) {
        trouble::write(trouble)
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(Reader::default())
    }

    fn writer(&self, asked: &Asked) -> Box<dyn EventWriter> {
        Box::new(Writer::new(asked))
    }

    fn stream_type(&self, asked: &Asked) -> HeaderValue {
        HeaderValue::from_static(if url::wants_sse(&asked.head) {
            "text/event-stream"
        } else {
            "application/json; charset=UTF-8"
        })
    }

    fn owns_header(&self, name: &HeaderName) -> bool {
        name.as_str().starts_with("x-goog-")
    }
}
