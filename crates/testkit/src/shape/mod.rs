//! Recorded exchanges: requests and replies in the documented wire formats, with the odd spellings
//! that must survive a gateway byte for byte.

mod index;
mod parse;

use std::sync::LazyLock;

use http::{HeaderMap, Method, StatusCode};

use crate::dialect::{Dialect, Operation};

/// How a recorded reply ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShapeEnd {
    /// A reply that is no stream.
    Whole,
    /// A stream with its last event: `[DONE]`, `message_stop`, or a terminal response event.
    Terminal,
    /// A stream that ends properly as HTTP, without that event.
    Missing,
    /// A stream whose last event is an error.
    Error,
}

/// What the recorded reply says it cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShapeUsage {
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// The input tokens that were read from a cache.
    pub cached_tokens: u64,
}

/// One recorded exchange.
#[derive(Debug)]
#[non_exhaustive]
pub struct Shape {
    /// Its name, unique; also the value of `x-shape`.
    pub name: &'static str,
    /// What is odd about it.
    pub about: &'static str,
    /// Whose format it is.
    pub dialect: Dialect,
    /// What the request asks for.
    pub operation: Operation,
    /// The request's method.
    pub method: Method,
    /// The request's path and query.
    pub path: &'static str,
    /// The request's headers, without framing and credentials.
    pub request_headers: Vec<(&'static str, &'static str)>,
    /// The request's body; empty for `GET`.
    pub request_body: &'static [u8],
    /// The reply's status.
    pub status: StatusCode,
    /// The reply's headers, without framing.
    pub response_headers: Vec<(&'static str, &'static str)>,
    /// The reply's body, byte for byte.
    pub response_body: &'static [u8],
    /// Whether the reply is an event stream.
    pub stream: bool,
    /// How the reply ends.
    pub end: ShapeEnd,
    /// What the reply says it cost, if it does.
    pub usage: Option<ShapeUsage>,
    /// Whether the request is one whose client is shown usage: a reply that is no stream, any
    /// stream of Anthropic or of responses, a chat stream with `include_usage`.
    pub client_sees_usage: bool,
}

impl Shape {
    /// The reply's headers as a map.
    pub(crate) fn response_headers(&self) -> HeaderMap {
        parse::header_map(&self.response_headers)
    }
}

/// All recorded exchanges, in a fixed order. The same slice each time.
///
/// # Panics
///
/// When a recording cannot be read, which this crate's own tests rule out.
pub fn shapes() -> &'static [Shape] {
    static SHAPES: LazyLock<Vec<Shape>> =
        LazyLock::new(|| index::RECORDINGS.iter().map(parse::shape).collect());
    &SHAPES
}

/// The recorded exchange of that name.
pub fn shape(name: &str) -> Option<&'static Shape> {
    shapes().iter().find(|shape| shape.name == name)
}
