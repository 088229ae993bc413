//! Encode: what translation asks of a dialect.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use portcullis_core::error::Error;

use super::{
    Conversation, CountWire, EmbedWire, EventReader, EventWriter, Losses, Names, Reply, Trouble,
};

/// A dialect as translation reads and writes it: requests, replies, streams and errors, to and from the
/// neutral form. Pure functions over bytes.
///
/// For one call the wire of the caller's dialect reads the request and writes the reply; that of the
/// upstream's dialect writes the request and reads the reply.
pub trait Wire: fmt::Debug + Send + Sync + 'static {
    /// The name of the dialect.
    fn name(&self) -> &'static str;

    /// A document as [`read_request`](Self::read_request) takes it, where it must be rewritten before: schemas in
    /// another notation than JSON Schema's.
    fn prepared<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(body)
    }

    /// Reads a request for the next turn. `head` has the URL and the headers, for dialects that say something
    /// there. What the neutral form has no place for is noted in `losses`.
    ///
    /// # Errors
    ///
    /// `body_not_json`, `invalid_field`, or `untranslatable` for what makes no sense without it: a tool the
    /// provider runs itself.
    fn read_request<'a>(
        &self,
        head: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error>;

    /// Writes a request for the next turn. What the dialect cannot say is noted in `losses`.
    ///
    /// # Errors
    ///
    /// `invalid_field` or `untranslatable`, when what is asked cannot be asked in this dialect at all.
    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error>;

    /// Reads a whole reply.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when it is not what the dialect writes.
    fn read_reply<'a>(&self, body: &'a [u8], losses: &mut Losses) -> Result<Reply<'a>, Error>;

    /// Writes a whole reply.
    ///
    /// # Errors
    ///
    /// When it cannot be said in this dialect.
    fn write_reply(
        &self,
        reply: &Reply<'_>,
        asked: &Asked,
        losses: &mut Losses,
    ) -> Result<Bytes, Error>;

    /// Reads an error reply. Anything can be one: what is no error of the dialect's is told by its status.
    fn read_trouble<'a>(
        &self,
        status: StatusCode,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Trouble<'a>;

    /// Writes an error reply: its status, body, and the headers its dialect has for what is in it.
    fn write_trouble(&self, trouble: &Trouble<'_>) -> (StatusCode, HeaderMap, Bytes);

    /// Reads the events of a stream.
    fn reader(&self) -> Box<dyn EventReader>;

    /// Writes the events of a stream for this caller.
    fn writer(&self, asked: &Asked) -> Box<dyn EventWriter>;

    /// The content type of the streams it writes for this caller.
    fn stream_type(&self, asked: &Asked) -> HeaderValue {
        let _ = asked;
        HeaderValue::from_static("text/event-stream; charset=utf-8")
    }

    /// How it makes vectors of texts, if it does.
    fn embeddings(&self) -> Option<&dyn EmbedWire> {
        None
    }

    /// How it counts tokens before a call, if it does.
    fn counting(&self) -> Option<&dyn CountWire> {
        None
    }

    /// Whether a header of a caller's request belongs to this dialect and means nothing to others.
    fn owns_header(&self, name: &HeaderName) -> bool;
}

/// What a request is written for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Target<'t> {
    /// The model to ask for, as the provider names it.
    pub model: &'t str,
    /// The most tokens to answer with where the caller set no bound and the dialect demands one.
    pub max_tokens: u64,
}

impl<'t> Target<'t> {
    /// Asks for `model`, with a bound of 8,192 tokens where one must be given.
    pub fn new(model: &'t str) -> Self {
        Self {
            model,
            max_tokens: 8192,
        }
    }
}

/// A request as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The path below the base URL: `/chat/completions`. Model names in it are percent-encoded.
    pub path: String,
    /// The query.
    pub query: Option<&'static str>,
    /// Headers the dialect demands; its content type is JSON without being said.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The document.
    pub body: Bytes,
    /// Names of tools that had to be written in another way.
    pub names: Names,
}

impl Written {
    /// A document for a path, without anything else.
    pub fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            path: path.into(),
            query: None,
            headers: Vec::new(),
            body: body.into(),
            names: Names::default(),
        }
    }
}

/// What a reply is written for: the caller's request, in short.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The model the upstream was asked for, for replies that do not say.
    pub model: Arc<str>,
    /// The gateway's id of the call, of which ids are made where the upstream gave none.
    pub call: Arc<str>,
    /// When it was asked, in seconds since 1970.
    pub created: u64,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether usage was asked for in the stream, in dialects where that is asked for.
    pub usage: bool,
    /// Whether calls of tools are to be told as calls of functions, as OpenAI once did.
    pub functions: bool,
    /// The head of the caller's request.
    pub head: Arc<request::Parts>,
}

/// The wires there are, by the name of their dialect: the slot of a registry the `llm` backend reads.
#[derive(Clone, Debug, Default)]
pub struct Wires(BTreeMap<&'static str, Arc<dyn Wire>>);

impl Wires {
    /// Adds a wire.
    ///
    /// # Panics
    ///
    /// If there is one for that dialect: it is a mistake in the program, found at its start.
    pub fn add(&mut self, wire: Arc<dyn Wire>) -> &mut Self {
        let name = wire.name();
        let before = self.0.insert(name, wire);
        assert!(before.is_none(), "the wire of `{name}` is registered twice");
        self
    }

    /// The wire of a dialect.
    pub fn get(&self, dialect: &str) -> Option<&Arc<dyn Wire>> {
        self.0.get(dialect)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Wire>> {
        self.0.values()
    }
}
