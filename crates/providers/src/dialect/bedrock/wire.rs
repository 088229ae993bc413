//! Encode: Bedrock converse as translation reads and writes it.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode, request};
use portcullis_core::error::Error;

use super::stream::{Reader, Writer};
use super::{EVENT_STREAM, reply, trouble};
use crate::translate::{
    Asked, Conversation, EventReader, EventWriter, Losses, Reply, Target, Trouble, Wire, Written,
};

/// Bedrock converse, read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConverseWire;

impl Wire for ConverseWire {
    fn name(&self) -> &'static str {
        "bedrock-converse"
    }

    fn read_request<'a>(
        &self,
        head: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error> {
        super::request::read(head, body, losses)
    }

    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        super::request::write(conversation, target, losses)
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
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Trouble<'a> {
        trouble::read(status, headers, body)
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

    fn stream_type(&self, _: &Asked) -> HeaderValue {
        HeaderValue::from_static(EVENT_STREAM)
    }

    fn owns_header(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        name.starts_with("x-amz") || name.starts_with("amz-sdk-")
    }
}
