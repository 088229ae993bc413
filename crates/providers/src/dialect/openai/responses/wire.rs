//! Encode: responses to and from the neutral form.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, request};
use portcullis_core::error::Error;

use super::{read, reader, reply, write, writer};
use crate::dialect::openai::trouble;
use crate::translate::{
    Asked, Conversation, EventReader, EventWriter, Losses, Reply, Target, Trouble, Wire, Written,
};

/// Responses as translation reads and writes them, without what the provider keeps between calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponsesWire;

impl Wire for ResponsesWire {
    fn name(&self) -> &'static str {
        "openai-responses"
    }

    fn read_request<'a>(
        &self,
        _: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error> {
        read::request(body, losses)
    }

    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        write::request(conversation, target, losses)
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
        Ok(reply::write(reply, asked, losses))
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
        Box::new(reader::Reader::default())
    }

    fn writer(&self, asked: &Asked) -> Box<dyn EventWriter> {
        Box::new(writer::Writer::new(asked))
    }

    fn owns_header(&self, name: &HeaderName) -> bool {
        trouble::owns_header(name)
    }
}
