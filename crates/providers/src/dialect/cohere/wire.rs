//! Encode: chat as translation reads and writes it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, request as head};
use portcullis_core::error::Error;

use super::{reply, request, stream, trouble};
use crate::translate::{
    Asked, Conversation, EventReader, EventWriter, Losses, Reply, Target, Trouble, Wire, Written,
};

/// The wire of Cohere chat, version 2.
///
/// Cohere's models seal nothing. Thoughts and calls that another provider sealed are shown to a Cohere client
/// with a member of our own, `signature`, and go back to that provider if the client hands them back.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatWire;

impl Wire for ChatWire {
    fn name(&self) -> &'static str {
        "cohere-chat"
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
        let (status, headers, body) = trouble::write(trouble);
        (status, headers, body.into())
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::Reader::default())
    }

    fn writer(&self, asked: &Asked) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(asked))
    }

    fn owns_header(&self, name: &HeaderName) -> bool {
        name == "x-client-name" || name.as_str().starts_with("x-fern-")
    }
}
