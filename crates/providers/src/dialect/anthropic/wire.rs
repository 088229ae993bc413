//! Encode: messages as translation reads and writes them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, request as head};
use portcullis_core::error::Error;

use super::count::Counting;
use super::{reply, request, stream, trouble};
use crate::translate::{
    Asked, Conversation, CountWire, EventReader, EventWriter, Losses, Reply, Target, Trouble, Wire,
    Written,
};

/// The wire of Anthropic messages. It reads requests of both versions, and writes them for 2023-06-01.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagesWire;

impl Wire for MessagesWire {
    fn name(&self) -> &'static str {
        "anthropic-messages"
    }

    fn read_request<'a>(
        &self,
        _: &'a head::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error> {
        request::read(body, losses)
    }

    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        request::write(conversation, target, losses)
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
        let (status, headers, body) = trouble::write(trouble);
        (status, headers, body.into())
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::Reader::default())
    }

    fn writer(&self, asked: &Asked) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(asked))
    }

    fn counting(&self) -> Option<&dyn CountWire> {
        Some(&Counting)
    }

    fn owns_header(&self, name: &HeaderName) -> bool {
        name.as_str().starts_with("anthropic-")
    }
}
